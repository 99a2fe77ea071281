"""The warehouse: statements, streams of rows, and guards on a day.

What a row must be belongs in `validation`.
"""
