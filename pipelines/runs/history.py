"""Dagster's own history: where it is, and what is told when it does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from pipelines.configuration.config import ConfigError, dagster_home

_AWAY: tuple[type[Exception], ...] = (SQLAlchemyError,)
try:
    from dagster_postgres.utils import DagsterPostgresException
except ImportError:
    pass  # an extra: who keeps the history on SQLite need not have it
else:
    _AWAY += (DagsterPostgresException,)


def open_instance() -> dg.DagsterInstance:
    """Return the instance of DAGSTER_HOME, else of the `dagster.yaml` of this folder.

    Raises:
        ConfigError: There is neither, or its history cannot be used.
    """
    folder = instance_folder()
    # Its YAML, its keys and its variables: each breaks in another library's way.
    with history_errors(Exception):
        return dg.DagsterInstance.from_config(str(folder))


def instance_folder() -> Path:
    """Return where the `dagster.yaml` of the command line is.

    Raises:
        ConfigError: It is not there.
    """
    folder = dagster_home() or Path.cwd()
    if not (folder / "dagster.yaml").exists():
        message = (
            f"Opening Dagster failed for {folder}: expected a dagster.yaml, got none. "
            "Run from the project's folder, or set DAGSTER_HOME."
        )
        raise ConfigError(message)
    return folder


@contextmanager
def history_errors(*more: type[Exception]) -> Iterator[None]:
    """Raise what only Dagster's own storage can raise here as one message.

    Args:
        more: Errors that are of the history here, beside those of databases.

    Raises:
        ConfigError: The history cannot be used.
    """
    try:
        yield
    except (*_AWAY, *more) as wrong:
        cause = type(getattr(wrong, "orig", None) or wrong).__name__
        message = (
            f"Asking Dagster's history failed for {instance_folder()}: expected a "
            f"valid dagster.yaml and its database to answer, got {cause}. "
            "Check DAGSTER_HOME, DAGSTER_POSTGRES_URL and that database; a new history "
            "on SQLite takes one command at a time."
        )
        # Dagster's own text may hold the address.
        raise ConfigError(message) from None
