"""What Dagster loads: the definitions of the configured deployment."""

from pipelines.build import build
from pipelines.configuration.config import load_config
from pipelines.runs.lost_interrupts import send_again

send_again()
defs = build(load_config())
