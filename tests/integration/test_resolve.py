"""A person's word settles what no run can finish, and is kept."""

from pathlib import Path

import pytest
from deployment import HEAD, START
from engine import LOST, NEVER, NOW, Bench, FakeTransport, order
from typer.testing import CliRunner

from assets.delivery.database import Database
from assets.delivery.resolving import ResolveError, resolve
from pipelines.cli import app


@pytest.fixture
def bench(database: Database) -> Bench:
    """One delivery that nobody answered and that must not be sent again."""
    bench = Bench(database, transport=FakeTransport({"O1": LOST}))
    bench.provider.resend = NEVER
    bench.run([order()])
    assert bench.states() == {"O1": "uncertain"}
    bench.transport = FakeTransport()
    return bench


def decide(bench: Bench, *, is_delivered: bool) -> None:
    resolve(
        bench.database,
        bench.row()["delivery_id"][:12],
        is_delivered=is_delivered,
        by="ada",
        why="seen in their report",
        clock=lambda: NOW,
    )


def test_found_delivered_it_counts_as_accepted(bench: Bench) -> None:
    decide(bench, is_delivered=True)
    assert bench.states() == {"O1": "accepted"}
    bench.run([order()])
    assert bench.transport.sent == []


def test_found_not_delivered_the_next_run_sends_it(bench: Bench) -> None:
    decide(bench, is_delivered=False)
    bench.run([order()])
    assert bench.transport.orders == ["O1"]
    assert bench.states() == {"O1": "accepted"}


def test_the_decision_is_kept_with_name_and_reason(bench: Bench) -> None:
    decide(bench, is_delivered=True)
    (kept,) = bench.attempts("manual")
    assert (kept["decided_by"], kept["detail"]) == ("ada", "seen in their report")
    assert (kept["from_state"], kept["to_state"]) == ("uncertain", "accepted")


def test_what_is_settled_cannot_be_resolved(bench: Bench) -> None:
    decide(bench, is_delivered=True)
    with pytest.raises(ResolveError, match="Nothing is open about it"):
        decide(bench, is_delivered=False)
    assert bench.states() == {"O1": "accepted"}


@pytest.mark.parametrize("delivery_id", ["nothing", "%"])
def test_an_unknown_delivery_is_named(bench: Bench, delivery_id: str) -> None:
    with pytest.raises(ResolveError, match="got 0"):
        resolve(bench.database, delivery_id, is_delivered=True, by="a", why="b")


@pytest.mark.parametrize(
    ("order_id", "shown"),
    [
        ("[/bold] [red]1", "[/bold] [red]1"),
        ("a\r\nb\u2028\u202ec\x1b[31m", "a??b??c?[31m"),
    ],
)
def test_the_command_prints_an_order_id_on_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order_id: str, shown: str
) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    bench = Bench(Database(url), transport=FakeTransport({order_id: LOST}))
    bench.provider.resend = NEVER
    bench.run([order(order_id)])
    config = tmp_path / "destinations.toml"
    shop = '[destinations.shop]\nprovider = "idme"\napp_id = "a"\n'
    config.write_text(HEAD.format(folder=tmp_path, start=START) + shop)
    monkeypatch.setenv("ATTRIBUTION_CONFIG", str(config))
    said = ["--by", "ada", "--why", "seen"]
    delivery_id = bench.row(order_id)["delivery_id"]
    result = CliRunner().invoke(app, ["resolve", delivery_id, "delivered", *said])
    bench.database.dispose()
    assert result.exit_code == 0
    assert result.output == f"shop {shown}: uncertain -> accepted\n"


def test_the_command_asks_for_name_and_reason() -> None:
    result = CliRunner().invoke(app, ["resolve", "abc", "delivered"])
    assert result.exit_code == 2
