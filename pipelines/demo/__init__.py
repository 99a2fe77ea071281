"""`attribution demo`: its warehouse, its folder, its ports, and the UI on them.

The product that it shows belongs elsewhere; nothing here runs in a deployment.
"""
