"""Opens Dagster's run history, and explains the errors of its storage."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from pipelines.configuration.config import ConfigError, dagster_home
from pipelines.errors import cause_name

_STORAGE_ERRORS: tuple[type[Exception], ...] = (SQLAlchemyError,)
try:
    from dagster_postgres.utils import DagsterPostgresException
except ImportError:
    pass  # an optional dependency that a history on SQLite does not need
else:
    _STORAGE_ERRORS += (DagsterPostgresException,)


def open_instance() -> dg.DagsterInstance:
    """Return the instance of DAGSTER_HOME, or else of the current folder.

    Raises:
        ConfigError: There is no `dagster.yaml`, or its history cannot be used.
    """
    folder = instance_folder()
    # A fault in its YAML, keys or variables raises an error of another library each.
    with history_errors(Exception):
        return dg.DagsterInstance.from_config(str(folder))


def instance_folder() -> Path:
    """Return the folder of the `dagster.yaml` that the command line uses.

    Raises:
        ConfigError: The folder has no `dagster.yaml`.
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
    """Translate the errors of Dagster's storage into one message.

    Args:
        more: Further error types that only the storage can raise in this block.

    Raises:
        ConfigError: The history cannot be used.
    """
    try:
        yield
    except (*_STORAGE_ERRORS, *more) as error:
        cause = cause_name(error)
        message = (
            f"Asking Dagster's history failed for {instance_folder()}: expected a "
            f"valid dagster.yaml and its database to answer, got {cause}. "
            "Check DAGSTER_HOME, DAGSTER_POSTGRES_URL and that database. While a new "
            "history on SQLite is created, run one command at a time."
        )
        # The text of the error may contain the address of the database.
        raise ConfigError(message) from None
