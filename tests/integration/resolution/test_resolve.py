"""A person's word settles what no run can finish, and is kept."""

from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.ledger.database import Database
from assets.providers.base import Request
from assets.providers.replies import Reply
from assets.resolution.resolve import ResolveError, resolve
from pipelines.cli import app
from support.deployment import HEAD, START
from support.engine import (
    LOST,
    NEVER,
    NOW,
    REFUSED,
    Bench,
    FakeTransport,
    answer,
    order,
    words,
)


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


def booked(bench: Bench) -> tuple[str, str | None, int]:
    row = bench.row()
    return row["state"], row["state_reason"], row["amount_minor"]


def drifts(bench: Bench) -> list[str]:
    with bench.database.read() as connection:
        found = connection.exec_driver_sql(
            "select order_id from v_needs_human where reason = 'drift'"
        )
        return [row.order_id for row in found]


@pytest.mark.parametrize("between", [[], [REFUSED], [answer(401)]])
def test_what_the_provider_has_after_all_is_ours_and_worth_what_it_was_told(
    bench: Bench, between: list[Reply]
) -> None:
    decide(bench, is_delivered=False)
    dearer = order(revenue=Decimal("99.00"))
    for reply in between:
        bench.transport = FakeTransport({"O1": reply})
        bench.run([dearer], limit=1)
        bench.clock.pass_by(hours=1)
    bench.transport = FakeTransport({"O1": words(O1="duplicate")})
    bench.run([dearer])
    assert booked(bench) == ("duplicate", "own", 1234)
    assert drifts(bench) == ["O1"]
    bench.run([dearer])
    assert booked(bench) == ("duplicate", "own", 1234)


def test_an_order_that_did_not_change_is_no_drift(bench: Bench) -> None:
    decide(bench, is_delivered=False)
    bench.transport = FakeTransport({"O1": words(O1="duplicate")})
    bench.run([order()])
    assert booked(bench) == ("duplicate", "own", 1234)
    assert drifts(bench) == []


def test_what_is_sent_anew_is_worth_what_it_is_now(bench: Bench) -> None:
    decide(bench, is_delivered=False)
    bench.run([order(revenue=Decimal("99.00"))])
    assert booked(bench) == ("accepted", None, 9900)


def test_of_a_run_that_died_the_send_is_ours_as_well(database: Database) -> None:
    def die(_request: Request) -> None:
        raise KeyboardInterrupt

    bench = Bench(database, transport=FakeTransport(witness=die))
    bench.provider.resend = NEVER
    with pytest.raises(KeyboardInterrupt):
        bench.run([order()])
    bench.clock.pass_by(hours=1)
    bench.transport = FakeTransport()
    bench.run([order()])
    assert bench.states() == {"O1": "uncertain"}
    decide(bench, is_delivered=False)
    bench.transport = FakeTransport({"O1": words(O1="duplicate")})
    bench.run([order(revenue=Decimal("99.00"))])
    assert booked(bench) == ("duplicate", "own", 1234)


def test_what_was_refused_and_opened_again_was_never_told(database: Database) -> None:
    bench = Bench(database, transport=FakeTransport({"O1": answer(400)}))
    bench.run([order()])
    assert bench.states() == {"O1": "rejected"}
    decide(bench, is_delivered=False)
    bench.transport = FakeTransport({"O1": words(O1="duplicate")})
    bench.run([order(revenue=Decimal("99.00"))])
    assert booked(bench) == ("duplicate", "foreign", 9900)


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
