"""The delivery engine: states, ledger, transport, dispatch. No Dagster."""
