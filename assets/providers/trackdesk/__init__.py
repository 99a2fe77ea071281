"""Trackdesk: what is sent for a conversion, and what its replies mean.

What every provider shares belongs in `assets.providers`; no other provider is known
here.
"""
