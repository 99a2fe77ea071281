"""Follows queued deliveries to their end and looks up those without a reply.

Sends no conversion: that belongs in `delivery`.
"""
