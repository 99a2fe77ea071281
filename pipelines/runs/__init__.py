"""Dagster runs started from the command line: a day, a backfill, a dry run.

What can be typed belongs in `commands`, what Dagster loads in `pipelines` itself.
"""
