"""Decisions of a person about deliveries: resolve, declare, recover.

Each decision is recorded with a name and a reason. Decisions that a run makes by itself
belong in `delivery`.
"""
