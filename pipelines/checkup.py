"""`attribution check`: is everything there that a run will need? Sends nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from assets.delivery.database import LedgerError
from assets.schemas import EXTRACTS, contract_columns
from assets.staging import StagingError
from assets.warehouse import WarehouseError
from pipelines.build import lent_source, open_destination
from pipelines.config import Config, ConfigError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found."""

    subject: str
    is_good: bool
    text: str


def check_up(config: Config) -> Iterator[Finding]:
    """Look at configuration, delivery tables, warehouse and destinations."""
    yield Finding("configuration", is_good=True, text=f"zone {config.timezone}")
    yield _look("delivery tables", partial(_ledger, config))
    for statement in EXTRACTS:
        yield _look(f"statement {statement}", partial(_statement, config, statement))
    for name in config.destinations:
        yield _look(f"destination {name}", partial(_destination, config, name))


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
    return f"{destination.provider_name}, secrets set"
