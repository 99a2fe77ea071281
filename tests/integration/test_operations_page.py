"""The runbook quotes what the program says, and its queries run."""

import ast
import re
from pathlib import Path

import pytest
from sqlalchemy import text

from assets.delivery.database import Database
from assets.delivery.states import State

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operations.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")]
QUOTES = sorted(
    {
        quote
        for row in ROWS
        for quote in re.findall(r"`([^`]+)`", row.split(" | ")[0])
        if " " in quote
    }
)
QUERIES = [
    query
    for block in re.findall(r"```sql\n(.*?)```", PAGE, re.S)
    for query in block.split(";")
    if query.strip()
] + re.findall(r"`(select [^`]+)`", PAGE)
COMMANDS = {"attribution status"}


def texts(tree: ast.AST) -> list[str]:
    """Every text of a module; what an f-string fills in is a gap."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [
                one.value if isinstance(one, ast.Constant) else "\0"
                for one in node.values
            ]
            found.append("".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(re.sub(r"\{\w+\}", "\0", node.value))
    return found


@pytest.fixture(scope="module")
def said() -> list[str]:
    """Every text of the program."""
    files = [*ROOT.glob("assets/**/*.py"), *ROOT.glob("pipelines/**/*.py")]
    return [one for file in files for one in texts(ast.parse(file.read_text()))]


def is_said(quote: str, said: list[str]) -> bool:
    """Whether the parts between the dots stand in one text, in their order."""
    pattern = ".*".join(map(re.escape, quote.split("...")))
    return any(re.search(pattern, one, re.S) for one in said)


def test_the_runbook_quotes_something() -> None:
    assert len(QUOTES) > 20


@pytest.mark.parametrize("quote", sorted(set(QUOTES) - COMMANDS))
def test_what_it_quotes_is_what_the_program_says(quote: str, said: list[str]) -> None:
    kind, colon, reason = quote.partition(": ")
    if kind == "configuration":
        assert is_said("configuration: ...", said)
        is_code = reason.startswith("http_")
        assert is_code or is_said(reason, said)
        return
    assert is_said(quote, said)


@pytest.mark.parametrize("query", QUERIES)
def test_its_queries_run(query: str, database: Database) -> None:
    with database.read() as connection:
        connection.execute(text(query))


def test_every_state_that_needs_a_person_is_in_it() -> None:
    for state in (State.REJECTED, State.QUARANTINED, State.UNCERTAIN, State.QUEUED):
        assert f"`{state}`" in PAGE
    assert "`exhausted`" in PAGE


def test_a_restart_is_not_said_to_leave_runs_alone() -> None:
    steps = PAGE.partition("**New credentials.**")[2].partition("\n\n")[0]
    assert "no run is at work" in steps
    assert "finish with the old value" not in steps


def test_what_connects_to_no_provider_is_not_said_to_find_one_unreachable() -> None:
    (row,) = [one for one in ROWS if one.startswith("| `unreachable: ")]
    assert "`attribution export --date D --to DEST --limit 1`" in row
