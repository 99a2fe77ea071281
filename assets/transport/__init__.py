"""Sends requests and receives replies: HTTP, connections and outbox files.

What a reply means belongs in `providers`; when a request is sent belongs in `delivery`.
"""
