"""Checks that the statements return the columns that the deployment needs."""

from datetime import UTC, datetime

from assets.source.errors import WarehouseError
from assets.validation.schemas import (
    contract_columns,
    known_columns,
    optional_columns,
)
from pipelines.build import extra_columns, managed_source, open_destination
from pipelines.configuration.config import Config, ConfigError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAPPING_TABLES = {"completed_orders": "fields", "order_items": "item_fields"}
"""Statement -> the configuration table that maps its columns."""


def check_statement(config: Config, name: str) -> str:
    """Check a statement against the contract; return its extra columns as text.

    Raises:
        WarehouseError: The warehouse cannot be read, or a column is missing.
    """
    with managed_source(config) as source:
        # An empty window: no order is read, only the columns.
        for _ in source.warehouse.frames(name, _EPOCH, _EPOCH):
            pass
        found = source.warehouse.columns(name)
    extra = sorted(set(found) - set(known_columns(name)))
    return "as the contract says" + (f"; extra: {', '.join(extra)}" if extra else "")


def check_destination(config: Config, name: str) -> str:
    """Check the secrets of a destination and the columns that it maps.

    Raises:
        ConfigError: A variable is not set, or a mapped column is missing.
    """
    destination = open_destination(config, name)
    settings = config.destinations[name]
    for statement in settings.mapped_columns:
        mapped = extra_columns(settings, statement)
        mapped |= set(optional_columns(statement)) & {
            *settings.mapped_columns[statement]
        }
        missing = _missing_columns(config, statement, mapped) if mapped else set()
        if missing:
            table = _MAPPING_TABLES[statement]
            message = (
                f"Checking failed for destinations.{name}.{table}: expected "
                f"{statement}.sql to give every column that is sent, got none named "
                f"{', '.join(sorted(missing))}. Select it there, or take it out of "
                f"`{table}`."
            )
            raise ConfigError(message)
    return f"{destination.provider_name}, secrets set"


def _missing_columns(
    config: Config, statement: str, mapped: frozenset[str]
) -> set[str]:
    """Return the mapped columns that the statement has not, or only by contract."""
    with managed_source(config) as source:
        try:
            columns = set(source.warehouse.columns(statement, mapped))
        except WarehouseError:
            return set()  # `check_statement` reports it
    # An e-mail address is hashed and dropped before anything can be sent of it.
    extra = {one for one in columns if one.lower() != "customer_email"}
    if len(extra) < len(columns):
        extra |= set(optional_columns(statement))
    return set(mapped - extra.difference(contract_columns(statement)))
