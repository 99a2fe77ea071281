"""`attribution check`: is everything there that a run will need?

No request is made, and what is written to try a right is taken back. Of a history that
is not there yet, Dagster makes the tables.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.schema import CreateSchema

from assets.ledger.database import LedgerError
from assets.ledger.publishing import SCHEMA
from assets.ledger.tables import metadata
from assets.source.errors import WarehouseError
from assets.staging import StagingError
from assets.validation.schemas import EXTRACTS, contract_columns
from pipelines.alerts.channels import is_understood
from pipelines.build import extra_columns, lent_source, open_destination
from pipelines.checkup.connections import connect, is_connected_to
from pipelines.configuration.config import (
    CONFIG_VARIABLE,
    DEMO_CONFIG,
    Config,
    ConfigError,
    dagster_home,
)
from pipelines.runs.history import instance_folder, of_history, open_instance

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TAKES_BACK = frozenset({"duckdb", "postgresql"})
"""Dialects that undo the making of a table."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found."""

    subject: str
    is_good: bool
    text: str


def check_up(config: Config, *, offline: bool = False) -> Iterator[Finding]:
    """Look at configuration, delivery tables, warehouse and destinations.

    Args:
        config: The deployment.
        offline: Connect to no provider.
    """
    yield Finding("configuration", is_good=True, text=_configuration(config))
    yield _look("Dagster's history", _history)
    yield _look("delivery tables", partial(_ledger, config))
    for statement in EXTRACTS:
        yield _look(f"statement {statement}", partial(_statement, config, statement))
    if config.publish:
        yield _look("publishing", partial(_publishing, config))
    for name in config.destinations:
        found = _look(f"destination {name}", partial(_destination, config, name))
        yield found
        if found.is_good and not offline and is_connected_to(config, name):
            yield _look(f"connection {name}", partial(connect, config, name))
    for name in config.alerts.channels:
        yield _look(f"alert channel {name}", partial(_channel, config, name))


def _channel(config: Config, name: str) -> str:
    path = f"alerts.channels.{name}"
    config.require(path)
    if not is_understood(config.alerts.channels[name]):
        message = (
            f"Checking failed for {path}.url: expected an address in the form of "
            "Apprise, got another. docs/alerts.md shows some."
        )
        raise ConfigError(message)
    return "an address that is understood; nothing was sent"


def _look(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, is_good=True, text=look())
    except (ConfigError, LedgerError, StagingError, WarehouseError) as wrong:
        return Finding(subject, is_good=False, text=str(wrong))
    except SQLAlchemyError as wrong:
        # Its text may quote the address.
        return Finding(
            subject, is_good=False, text=f"unreachable: {type(wrong).__name__}"
        )


def _configuration(config: Config) -> str:
    hint = f" (the demo's: {CONFIG_VARIABLE} is not set)"
    file = f"{config.path}{hint if config.path == DEMO_CONFIG else ''}"
    ledger = _without_secrets(config.ledger_url.get_secret_value())
    return f"{file}, zone {config.timezone}, ledger {ledger}"


def _without_secrets(address: str) -> str:
    """Return an address without user, password and options, which may be one."""
    try:
        url = sa.make_url(address)
    except (ArgumentError, ValueError):
        return "not shown: no address of a database"
    if address.count("@") > 1:
        # Who reads it differently takes the end of a password for the host.
        return "not shown: write @ in a password as %40"
    shown = sa.URL.create(
        url.drivername, host=url.host, port=url.port, database=url.database
    )
    return shown.render_as_string()


def _history() -> str:
    is_named = "as DAGSTER_HOME says" if dagster_home() else "DAGSTER_HOME is not set"
    with open_instance() as instance, of_history():
        instance.get_runs_count()
    return f"{instance_folder()}, {is_named}; it answers"


def _ledger(config: Config) -> str:
    with lent_source(config) as source:
        source.database.ensure_version()
    return "reachable, at this program's version"


def _statement(config: Config, name: str) -> str:
    with lent_source(config) as source:
        # A window without orders: only the columns are looked at.
        for _ in source.warehouse.frames(name, _EPOCH, _EPOCH):
            pass
        found = source.warehouse.columns(name)
    extra = sorted(set(found) - set(contract_columns(name)))
    return "as the contract says" + (f"; extra: {', '.join(extra)}" if extra else "")


def _destination(config: Config, name: str) -> str:
    destination = open_destination(config, name)
    settings = config.destinations[name]
    for statement in settings.mapped_columns:
        sent = extra_columns(settings, statement)
        missing = _not_given(config, statement, sent) if sent else set()
        if missing:
            message = (
                f"Checking failed for destinations.{name}.{_TABLE[statement]}: "
                f"expected {statement}.sql to give every column that is sent, got "
                f"none named {', '.join(sorted(missing))}. Select it there, or take "
                f"it out of `{_TABLE[statement]}`."
            )
            raise ConfigError(message)
    return f"{destination.provider_name}, secrets set"


_TABLE = {"completed_orders": "fields", "order_items": "item_fields"}
"""Where the columns of a statement are mapped."""


def _not_given(config: Config, statement: str, sent: frozenset[str]) -> set[str]:
    """Return what is sent of the columns that no row has beyond the contract."""
    with lent_source(config) as source:
        try:
            given = set(source.warehouse.columns(statement))
        except WarehouseError:
            return set()  # a finding of its own
    # An address is hashed and forgotten before anything could be sent of it.
    given = {one for one in given if one.lower() != "customer_email"}
    return set(sent - given.difference(contract_columns(statement)))


def _publishing(config: Config) -> str:
    with lent_source(config) as source, source.warehouse.write_engine() as engine:
        if engine.dialect.name not in _TAKES_BACK:
            return f"not tried: {engine.dialect.name} does not take a table back"
        try:
            with engine.connect() as connection, connection.begin() as trial:
                _try_to_publish(connection)
                trial.rollback()
        except SQLAlchemyError as wrong:
            cause = type(getattr(wrong, "orig", None) or wrong).__name__
            message = (
                f"Publishing failed for schema {SCHEMA}: expected a warehouse that "
                f"answers and takes the delivery tables, got {cause}. Give its user "
                "the right to make and fill them, close other programs that hold the "
                "file, drop copies of an older version, or set publish = false."
            )
            # The driver's own text may hold the address.
            raise ConfigError(message) from None
    return f"the warehouse takes schema {SCHEMA}"


def _try_to_publish(connection: sa.Connection) -> None:
    """Do to each table what publishing does, with no row."""
    connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
    known = sa.inspect(connection)
    for table in metadata.sorted_tables:
        copy = sa.Table(
            table.name,
            sa.MetaData(schema=SCHEMA),
            *(sa.Column(one.name, sa.Text()) for one in table.columns),
        )
        if known.has_table(table.name, schema=SCHEMA):
            connection.execute(sa.delete(copy).where(sa.false()))
            nothing = sa.select(copy).where(sa.false())
            names = list(copy.columns.keys())
            connection.execute(sa.insert(copy).from_select(names, nothing))
        else:
            copy.create(connection)
