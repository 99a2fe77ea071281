"""What people and monitoring ask: status, metrics, reasons, alarms, reconciliation.

Everything here reads the delivery tables and writes nothing. Checks that judge these
figures belong in `checks`, how they are printed in `pipelines.commands`.
"""
