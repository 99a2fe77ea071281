"""The simulator's side of Trackdesk, read from its documents.

What every simulated provider shares belongs in `pipelines.sandbox`.
"""
