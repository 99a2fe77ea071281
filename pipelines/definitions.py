"""What Dagster loads: the definitions of the configured deployment."""

from pipelines.build import build
from pipelines.config import load_config

defs = build(load_config())
