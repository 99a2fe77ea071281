"""`attribution check`: is everything there that a run needs? Writes nothing.

How settings are read belongs in `configuration`.
"""
