"""The simulator's side of impact.com, read from its documents.

What every simulated provider shares belongs in `pipelines.sandbox`.
"""
