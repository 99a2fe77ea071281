"""The Dagster asset checks: what is asked of a partition after a run.

A check reads figures and judges them. What computes the figures belongs in `figures`.
"""
