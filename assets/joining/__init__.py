"""From staged extracts to conversions: the join, and what an order must be.

What a single row must be belongs in `validation`, what a provider asks of a conversion
in `providers`.
"""
