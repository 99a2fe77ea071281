"""One TOML file and the environment, read into settings; mistakes named by path.

The settings of a provider belong in its package under `assets.providers`.
"""
