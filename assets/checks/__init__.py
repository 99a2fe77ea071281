"""The Dagster asset checks of deliveries and settlements.

A check compares figures with what is expected. Computing them belongs in `figures`.
"""
