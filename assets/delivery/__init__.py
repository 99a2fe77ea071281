"""The delivery engine: it plans, claims, sends and records one run of one destination.

What a reply means belongs in `providers`, bytes on the wire in `transport`, table rows
in `ledger`. Nothing here depends on Dagster.
"""
