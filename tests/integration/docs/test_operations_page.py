"""The runbook quotes what the program says, and its queries run."""

import ast
import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from assets.ledger.database import Database
from assets.ledger.states import State
from assets.ledger.tables import export_run, source_total
from support.project import ROOT

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
    """Every text of the program, and of the command that systemd's machines have."""
    files = [*ROOT.glob("assets/**/*.py"), *ROOT.glob("pipelines/**/*.py")]
    script = (ROOT / "deploy/systemd/attribution").read_text()
    found = re.search(r"^file=(.*)$", script, re.M)
    assert found
    return [
        *(one for file in files for one in texts(ast.parse(file.read_text()))),
        script.replace("$file", found[1]),
    ]


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


def planted(database: Database, *runs: tuple[str, str, str | None]) -> None:
    """Runs of destinations for days, oldest first, and how each one ended."""
    rows = [
        {
            "run_id": f"run-{number}",
            "destination": destination,
            "partition_key": day,
            "provider": "impact",
            "started_at": datetime(2026, 7, 1, number, tzinfo=UTC),
            "outcome": outcome,
        }
        for number, (destination, day, outcome) in enumerate(runs)
    ]
    with database.write() as connection:
        connection.execute(export_run.insert(), rows)


def test_in_the_morning_days_without_a_run_are_seen(database: Database) -> None:
    first, second, third = "2026-06-01", "2026-06-02", "2026-06-03"
    planted(
        database,
        ("mended", first, "stopped_unreachable"),
        ("mended", first, "complete"),
        ("mended", second, "complete"),
        ("idle", first, "complete"),
        ("broken", first, "complete"),
        ("broken", second, "complete"),
        ("broken", second, "crashed"),
    )
    total = {"currency": "EUR", "currency_digits": 2, "orders": 1, "amount_minor": 1}
    counted = datetime(2026, 7, 1, tzinfo=UTC)
    with database.write() as connection:
        connection.execute(
            source_total.insert(),
            [{"partition_key": third, "counted_at": counted, **total}],
        )
    newest, unfinished = (one for one in QUERIES if "export_run" in one)
    with database.read() as connection:
        assert connection.execute(text(newest)).scalar() == second
        found = connection.execute(text(unfinished)).mappings().all()
    assert {
        (one["destination"], one["outcome"], one["first_day"], one["last_day"])
        for one in found
    } == {
        ("mended", None, third, third),
        ("idle", None, second, third),
        ("broken", "crashed", second, second),
        ("broken", None, third, third),
    }


def test_every_state_that_needs_a_person_is_in_it() -> None:
    for state in (State.REJECTED, State.QUARANTINED, State.UNCERTAIN, State.QUEUED):
        assert f"`{state}`" in PAGE
    assert "`exhausted`" in PAGE


def test_a_restart_is_not_said_to_leave_runs_alone() -> None:
    steps = PAGE.partition("\n## New credentials\n")[2].partition("\n## ")[0]
    assert "no run is at work" in steps
    assert "finish with the old value" not in steps


def test_who_finds_a_provider_unreachable_is_sent_to_what_connects_to_it() -> None:
    (row,) = [one for one in ROWS if one.startswith("| `unreachable: ")]
    assert "`attribution check`: its line `connection DEST`" in row
