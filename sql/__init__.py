"""SQL: extract statements, transformations, views and the migrations of the ledger.

Each statement file contains one statement, in lower case, with bound parameters only;
`load` is their only reader. Code that uses the results belongs in `assets`.
"""

from importlib.resources import files
from pathlib import Path


def load(name: str, folder: Path | None = None) -> str:
    """Return the text of one statement.

    Args:
        name: Path below this package without the file extension, such as
            `extract/order_items`.
        folder: A deployment's own folder, read by the last part of `name` only. None:
            the shipped statements.

    Raises:
        OSError: The file cannot be read. The message names it.
    """
    if folder is not None:
        return (folder / f"{name.rsplit('/', 1)[-1]}.sql").read_text(encoding="utf-8")
    return (files(__name__) / f"{name}.sql").read_text(encoding="utf-8")
