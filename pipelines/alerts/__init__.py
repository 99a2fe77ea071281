"""Alerts: the rules, the messages, the channels, the sensor that runs them.

The figures in a message come from the delivery tables and belong in `assets.figures`
and `assets.ledger`.
"""
