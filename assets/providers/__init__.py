"""One package per provider, and beside them what all providers share. Pure code.

A provider builds requests and reads replies. Sockets, clocks and tables belong in
`transport`, `delivery` and `ledger`.
"""
