"""What every command needs: where it prints, how it ends, what it opens.

Exit status: 0 nothing is left that a re-run helps; 1 something is; 2 usage or
configuration; 3 a guard refused a day.
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

LEFT_OVER = 1
WRONG = 2
REFUSED = 3

console = Console(soft_wrap=True)


class Errors(Console):
    """Prints what went wrong, as JSON where the configuration says so."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as text, or as one JSON object."""
        if not _logs_json():
            super().print(*objects, **options)
        elif all(isinstance(one, str) for one in objects):  # no progress bar
            from pipelines.json_logs import line

            typer.echo(line("ERROR", " ".join(objects), at=time.time()), err=True)


def _logs_json() -> bool:
    try:
        return load_config().log_format == "json"
    except (ConfigError, OSError):
        return False


errors = Errors(stderr=True, soft_wrap=True)


def explained(command: Callable[..., None]) -> Callable[..., None]:
    """Print what a person can mend as one message, without a traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        from assets.ledger.database import LedgerError
        from assets.source.errors import WarehouseError
        from assets.staging import StagingError

        try:
            command(*args, **kwargs)
        except (ConfigError, LedgerError, StagingError, WarehouseError) as wrong:
            errors.print(str(wrong), style="red", markup=False)
            raise typer.Exit(WRONG) from None
        except OSError as wrong:
            if wrong.errno == errno.EPIPE:  # whoever read the output has gone
                raise
            errors.print(_of_machine(wrong), style="red", markup=False)
            raise typer.Exit(WRONG) from None
        except SQLAlchemyError as wrong:
            # Its own text may hold the address.
            cause = type(getattr(wrong, "orig", None) or wrong).__name__
            errors.print(_UNREACHABLE.format(cause=cause), style="red", markup=False)
            raise typer.Exit(WRONG) from None

    return wrapped


def _of_machine(wrong: OSError) -> str:
    if wrong.errno == errno.EADDRINUSE:
        return _PORT_TAKEN
    what = "" if wrong.filename is None else f" for {wrong.filename}"
    return (
        f"Running failed{what}: expected the machine to do what it was asked, got "
        f"{wrong.strerror or type(wrong).__name__}. Check path, rights and disk."
    )


_UNREACHABLE = (
    "Opening the delivery tables failed: expected a database that answers, got {cause}."
    " Check `ledger_url`, the network and the credentials."
)


_PORT_TAKEN = (
    "Starting the sandbox failed: expected a free port on 127.0.0.1, got one in use. "
    "End the program that listens there; a sandbox or demo may still be running."
)


@contextmanager
def opened(config: Config) -> Iterator[Any]:
    """Lend the delivery tables."""
    from assets.ledger.database import Database

    config.require("ledger_url")
    database = Database(config.ledger_url.get_secret_value())
    try:
        yield database
    finally:
        database.dispose()
