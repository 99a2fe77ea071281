"""Which pieces run together, when, with which settings. Imports `assets`."""
