"""The checks of `attribution check`, from the configuration to the alert channels.

The checks send no request to a provider, and roll back what they write to test a right.
Dagster creates the tables of its history if they are missing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from assets.ledger.database import LedgerError
from assets.source.errors import WarehouseError
from assets.staging import StagingError
from assets.validation.schemas import EXTRACTS
from pipelines.alerts.channels import is_valid_address
from pipelines.build import managed_source
from pipelines.checkup.columns import check_destination, check_statement
from pipelines.checkup.connections import connect, needs_connection
from pipelines.checkup.publishing import check_publishing
from pipelines.checkup.schedules import check_schedules, has_dedup_window
from pipelines.configuration.config import (
    CONFIG_VARIABLE,
    DEMO_CONFIG,
    Config,
    ConfigError,
    dagster_home,
)
from pipelines.runs.history import history_errors, instance_folder, open_instance


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        subject: What was checked.
        is_good: Whether the check passed.
        text: Details, or the error and the next action.
    """

    subject: str
    is_good: bool
    text: str


def run_checks(config: Config, *, offline: bool = False) -> Iterator[Finding]:
    """Run all checks of a deployment.

    Args:
        config: The deployment.
        offline: Whether to skip the connections to the providers.
    """
    yield Finding("configuration", is_good=True, text=_configuration(config))
    yield _finding("Dagster's history", _check_history)
    yield _finding("delivery tables", partial(_check_ledger, config))
    yield _finding("time zones", partial(_check_zones, config))
    for statement in EXTRACTS:
        check = partial(check_statement, config, statement)
        yield _finding(f"statement {statement}", check)
    if config.publish:
        yield _finding("publishing", partial(check_publishing, config))
    for name in config.destinations:
        found = _finding(
            f"destination {name}", partial(check_destination, config, name)
        )
        yield found
        if found.is_good and not offline and needs_connection(config, name):
            yield _finding(f"connection {name}", partial(connect, config, name))
        if found.is_good and has_dedup_window(config, name):
            yield _finding(f"schedules {name}", partial(check_schedules, config, name))
    for name in config.alerts.channels:
        yield _finding(f"alert channel {name}", partial(_check_channel, config, name))


def _finding(subject: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, is_good=True, text=check())
    except (ConfigError, LedgerError, StagingError, WarehouseError) as error:
        return Finding(subject, is_good=False, text=str(error))
    except SQLAlchemyError as error:
        # Its text may contain the address of the database.
        return Finding(
            subject, is_good=False, text=f"unreachable: {type(error).__name__}"
        )


def _configuration(config: Config) -> str:
    hint = f" (the demo's: {CONFIG_VARIABLE} is not set)"
    file = f"{config.path}{hint if config.path == DEMO_CONFIG else ''}"
    ledger = _without_secrets(config.ledger_url.get_secret_value())
    return f"{file}, zone {config.timezone}, ledger {ledger}"


def _without_secrets(address: str) -> str:
    """Return a database address without user, password and options."""
    try:
        url = sa.make_url(address)
    except (ArgumentError, ValueError):
        return "not shown: no address of a database"
    if address.count("@") > 1:
        # Another parser may take the end of the password for the host.
        return "not shown: write @ in a password as %40"
    shown = sa.URL.create(
        url.drivername, host=url.host, port=url.port, database=url.database
    )
    return shown.render_as_string()


def _check_history() -> str:
    is_named = "as DAGSTER_HOME says" if dagster_home() else "DAGSTER_HOME is not set"
    with open_instance() as instance, history_errors():
        instance.get_runs_count()
    return f"{instance_folder()}, {is_named}; it answers"


def _check_ledger(config: Config) -> str:
    with managed_source(config) as source:
        source.database.ensure_version()
        source.database.check_connections()
    return "reachable, at this program's version"


def _check_zones(config: Config) -> str:
    with managed_source(config) as source:
        zones = source.warehouse.check_zones()
    return f"{', '.join(zones)}: the warehouse has no other rules"


def _check_channel(config: Config, name: str) -> str:
    path = f"alerts.channels.{name}"
    config.require(path)
    if not is_valid_address(config.alerts.channels[name]):
        message = (
            f"Checking failed for {path}.url: expected an address in the form of "
            "Apprise, got another. docs/alerts.md shows some."
        )
        raise ConfigError(message)
    return "the address is valid; nothing was sent"
