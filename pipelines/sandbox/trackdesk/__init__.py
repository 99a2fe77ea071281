"""Simulates Trackdesk: the addresses, checks and replies that its documents describe.

Code that several simulated providers share belongs in `pipelines.sandbox`.
"""
