"""The checks that an export must pass before its run starts."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from pipelines.build import managed_source
from pipelines.configuration.config import Config, ConfigError


def check_export(config: Config, day: date, destinations: Sequence[str]) -> None:
    """Raise if a day cannot be exported.

    Args:
        config: The deployment.
        day: The partition.
        destinations: Names of the destinations; empty for all.

    Raises:
        ConfigError: There is no such destination or partition.
        LedgerError: The delivery tables cannot be used.
        StagingError: The staging folder cannot be used.
    """
    check_destinations(config, destinations)
    today = datetime.now(config.zone).date()
    if not config.start_date <= day < today:
        message = (
            f"Exporting failed for {day}: expected a whole day from "
            f"{config.start_date} to {today - timedelta(days=1)} in "
            f"{config.timezone}. Choose such a day."
        )
        raise ConfigError(message)
    with managed_source(config) as source:
        source.database.ensure_version()


def check_destinations(config: Config, destinations: Sequence[str]) -> None:
    """Raise unless all names are configured destinations.

    Raises:
        ConfigError: There is no such destination.
    """
    for name in destinations:
        if name not in config.destinations:
            message = (
                f"Exporting failed for {name}: expected one of "
                f"{', '.join(config.destinations)}. Name a configured destination."
            )
            raise ConfigError(message)
