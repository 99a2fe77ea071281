"""`attribution check`: tests that everything that a run needs is there.

The checks change nothing. How settings are read belongs in `configuration`.
"""
