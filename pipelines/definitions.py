"""The module that Dagster loads: the definitions of the configured deployment."""

from pipelines.build import build
from pipelines.configuration.config import load_config
from pipelines.runs.interrupts import resend_lost_interrupts

resend_lost_interrupts()
defs = build(load_config())
