"""The lease of a claim: how long other runs leave claimed deliveries alone."""

from datetime import timedelta

LEASE = timedelta(seconds=120)


class LeaseLostError(Exception):
    """Another run took over deliveries while this run was sending them."""
