"""Follows queued deliveries to their end, and looks up those with unknown outcome.

It sends no conversion: that belongs in `delivery`.
"""
