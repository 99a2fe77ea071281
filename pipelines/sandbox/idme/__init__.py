"""The simulator's side of ID.me, read from its documents.

What every simulated provider shares belongs in `pipelines.sandbox`.
"""
