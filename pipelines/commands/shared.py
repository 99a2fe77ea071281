"""What all commands share: consoles, exit statuses, error output, the database.

Exit status: 0, nothing is left that another run can finish; 1, something is left; 2,
the usage or the configuration is wrong; 3, a guard refused a day.
"""

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import typer
from rich.console import Console

from pipelines.configuration.config import Config, ConfigError, load_config
from pipelines.errors import cause_name

EXIT_UNFINISHED = 1
EXIT_ERROR = 2
EXIT_REFUSED = 3

console = Console(soft_wrap=True)


class Errors(Console):
    """Prints errors, as JSON if the configuration says so."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print text, or one JSON object."""
        if not _logs_json():
            super().print(*objects, **options)
        elif all(isinstance(one, str) for one in objects):  # no progress bar
            from pipelines.json_logs import json_line

            typer.echo(json_line("ERROR", " ".join(objects), at=time.time()), err=True)


def _logs_json() -> bool:
    try:
        return load_config().log_format == "json"
    except (ConfigError, OSError):
        return False


errors = Errors(stderr=True, soft_wrap=True)


def reports_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command to print expected errors without a traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        from assets.ledger.database import LedgerError
        from assets.source.errors import WarehouseError
        from assets.staging import StagingError

        try:
            command(*args, **kwargs)
        except (ConfigError, LedgerError, StagingError, WarehouseError) as error:
            errors.print(str(error), style="red", markup=False)
            raise typer.Exit(EXIT_ERROR) from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of the output has exited
                raise
            errors.print(_os_error_message(error), style="red", markup=False)
            raise typer.Exit(EXIT_ERROR) from None
        except SQLAlchemyError as error:
            # Its text may contain the address of the database.
            cause = cause_name(error)
            errors.print(_UNREACHABLE.format(cause=cause), style="red", markup=False)
            raise typer.Exit(EXIT_ERROR) from None

    return wrapped


def _os_error_message(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return _PORT_TAKEN
    what = "" if error.filename is None else f" for {error.filename}"
    return (
        f"Running failed{what}: expected the operating system to allow it, got "
        f"{error.strerror or type(error).__name__}. Check path, rights and disk."
    )


_UNREACHABLE = (
    "Opening the delivery tables failed: expected a database that answers, got {cause}."
    " Check `ledger_url`, the network and the credentials."
)


_PORT_TAKEN = (
    "Starting the sandbox failed: expected a free port on 127.0.0.1, got one in use. "
    "End the program that listens there, or leave out --port: then the sandbox takes a "
    "free one."
)


@contextmanager
def open_database(config: Config) -> Iterator[Any]:
    """Open the delivery tables for the duration of the block."""
    from assets.ledger.database import Database

    config.require("ledger_url")
    database = Database(config.ledger_url.get_secret_value())
    try:
        yield database
    finally:
        database.dispose()
