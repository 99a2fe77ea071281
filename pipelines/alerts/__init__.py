"""Alerts: the rules, the messages, the channels, and the sensor that runs them.

Their settings belong in `configuration`, the figures of deliveries in `assets`.
"""
