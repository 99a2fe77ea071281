"""What tests of several rooms share: servers, accounts, clocks, deployments.

Nothing here is a test. What one folder alone needs stands in that folder.
"""
