"""Configuration: reads one TOML file and the environment into typed settings.

The settings of a provider belong in its package under `assets.providers`.
"""
