"""Dagster runs started from the command line: a day, a backfill, a dry run.

The commands themselves belong in `commands`; jobs, schedules and sensors, which Dagster
starts, belong in `pipelines` itself.
"""
