"""What is asked of databases. `load` is the only reader of these files.

A statement file holds one statement, in lower case, with bound parameters only.
Nothing here knows what the answers are used for.
"""

from importlib.resources import files
from pathlib import Path


def load(name: str, folder: Path | None = None) -> str:
    """Return the text of one statement.

    Args:
        name: Path below this package without its ending, `extract/order_items`.
        folder: A deployment's own folder, in which only the last part of `name`
            counts. None: the shipped statements.

    Raises:
        OSError: The file cannot be read; the message names it.
    """
    if folder is not None:
        return (folder / f"{name.rsplit('/', 1)[-1]}.sql").read_text(encoding="utf-8")
    return (files(__name__) / f"{name}.sql").read_text(encoding="utf-8")
