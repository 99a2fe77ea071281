"""The delivery tables: states, claims, attempts, quarantine, retention, publishing.

Everything here works on rows and states. What a run does with them belongs in
`delivery`; what a provider's reply means belongs in `providers`.
"""
