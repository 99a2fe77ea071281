"""Figures for people and monitoring: status, metrics, reasons, alarms, reconciliation.

Everything here reads the delivery tables and writes nothing. Asset checks of these
figures belong in `checks`, and printing them belongs in `pipelines.commands`.
"""
