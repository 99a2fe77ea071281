"""The delivery tables: states, claims, attempts, quarantine, retention, publishing.

It knows rows and states. What a run does with them belongs in `delivery`, and no
provider is known here.
"""
