"""The sandbox: simulates the four providers over HTTP, with faults on request.

It reads the documents of the providers for itself, so that nothing of `assets` belongs
here, neither code nor constants.
"""
