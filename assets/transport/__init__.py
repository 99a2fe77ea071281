"""Bytes out, bytes in: HTTP, connections, outbox files.

It knows requests and replies, not what they mean: that belongs in `providers`.
"""
