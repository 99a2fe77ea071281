"""Errors of the warehouse, as messages that say what to do next."""

import re

from sqlalchemy.exc import SQLAlchemyError

from assets.validation.schemas import contract_columns

_MISSING_OBJECT = re.compile(
    r"(?:(?P<kind>relation|table|column)(?: with name)?"
    r"|no such (?P<what>table|column):)"
    r' "?(?P<name>\w[\w.]*)"?',
    re.IGNORECASE,
)

_DENIED = re.compile(
    r"permission denied for (?P<kind>relation|table|view|column|schema|database)"
    r' "?(?P<name>\w[\w.]*)"?',
    re.IGNORECASE,
)


class WarehouseError(Exception):
    """A statement gave no usable rows. The message says what to do, without the URL."""


def check_contract(statement: str, names: list[str]) -> None:
    """Check the columns that a statement gives.

    Args:
        statement: One of `schemas.EXTRACTS`.
        names: The columns of its result.

    Raises:
        WarehouseError: A column of the contract is missing, or a column stands twice.
    """
    given = set(names)
    if "customer_email" in {name.lower() for name in given}:
        given.add("customer_email_sha1")
    missing = [name for name in contract_columns(statement) if name not in given]
    if missing:
        message = (
            f"Extract failed for {statement}: expected the columns of the contract, "
            f"got none named {', '.join(missing)}. Select them in {statement}.sql, "
            "as null where the warehouse has no such fact."
        )
        raise WarehouseError(message)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        message = (
            f"Extract failed for {statement}: expected each column once, got "
            f"{', '.join(repeated)} repeatedly. Name each one alone in {statement}.sql."
        )
        raise WarehouseError(message)


def describe_error(statement: str, text: str, error: SQLAlchemyError) -> str:
    """Return what is wrong with a statement, without the driver's own text.

    The driver's text may hold the address of the warehouse.

    Args:
        statement: One of `schemas.EXTRACTS`.
        text: The SQL of the statement.
        error: What the driver raised.
    """
    cause = getattr(error, "orig", None) or error
    text_of_error = str(cause).partition("\n")[0]
    denied = _DENIED.search(text_of_error)
    if denied:
        what = f"{denied['kind'].lower()} {denied['name']}"
        return (
            f"Extract failed for {statement}: expected to be allowed to read {what} of "
            f"the warehouse, got permission denied. Let the user of `warehouse_url` "
            f"read it, then re-run the partition."
        )
    found = _MISSING_OBJECT.search(text_of_error)
    if found and re.search(rf"\b{re.escape(found['name'])}\b", text):
        kind = (found["kind"] or found["what"]).lower().replace("relation", "table")
        return (
            f"Extract failed for {statement}: expected {kind} {found['name']} in the "
            f"warehouse, got none. Create it, let the user of `warehouse_url` use its "
            f"schema, or point `extract_dir` at a folder whose {statement}.sql reads "
            "the tables you have."
        )
    return (
        f"Extract failed for {statement}: expected a statement that the warehouse "
        f"runs, got {type(cause).__name__}. Run {statement}.sql by hand to see its "
        "error, then re-run the partition."
    )
