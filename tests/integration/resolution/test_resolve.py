"""A person resolves a delivery that no run can finish; the decision is stored."""

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
    """One delivery without a reply that must not be sent again."""
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


def test_a_delivery_resolved_as_delivered_is_accepted(bench: Bench) -> None:
    decide(bench, is_delivered=True)
    assert bench.states() == {"O1": "accepted"}
    bench.run([order()])
    assert bench.transport.sent == []


def test_a_delivery_resolved_as_not_delivered_is_sent_by_the_next_run(
    bench: Bench,
) -> None:
    decide(bench, is_delivered=False)
    bench.run([order()])
    assert bench.transport.orders == ["O1"]
    assert bench.states() == {"O1": "accepted"}


def outcome(bench: Bench) -> tuple[str, str | None, int]:
    row = bench.row()
    return row["state"], row["state_reason"], row["amount_minor"]


def drifts(bench: Bench) -> list[str]:
    with bench.database.read() as connection:
        found = connection.exec_driver_sql(
            "select order_id from v_needs_human where reason = 'drift'"
        )
        return [row.order_id for row in found]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("between", [[], [REFUSED], [answer(401)]])
def test_a_duplicate_after_all_is_our_own_with_the_amount_first_sent(
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
    assert outcome(bench) == ("duplicate", "own", 1234)
    assert drifts(bench) == ["O1"]
    bench.run([dearer])
    assert outcome(bench) == ("duplicate", "own", 1234)


def test_an_unchanged_order_is_no_drift(bench: Bench) -> None:
    decide(bench, is_delivered=False)
    bench.transport = FakeTransport({"O1": words(O1="duplicate")})
    bench.run([order()])
    assert outcome(bench) == ("duplicate", "own", 1234)
    assert drifts(bench) == []


def test_a_resent_order_has_its_current_amount(bench: Bench) -> None:
    decide(bench, is_delivered=False)
    bench.run([order(revenue=Decimal("99.00"))])
    assert outcome(bench) == ("accepted", None, 9900)


def test_a_duplicate_of_a_crashed_run_is_our_own(database: Database) -> None:
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
    assert outcome(bench) == ("duplicate", "own", 1234)


def test_a_reopened_rejected_order_was_not_reported_before(database: Database) -> None:
    bench = Bench(database, transport=FakeTransport({"O1": answer(400)}))
    bench.run([order()])
    assert bench.states() == {"O1": "rejected"}
    decide(bench, is_delivered=False)
    bench.transport = FakeTransport({"O1": words(O1="duplicate")})
    bench.run([order(revenue=Decimal("99.00"))])
    assert outcome(bench) == ("duplicate", "foreign", 9900)


def test_the_decision_is_stored_with_name_and_reason(bench: Bench) -> None:
    decide(bench, is_delivered=True)
    (stored,) = bench.attempts("manual")
    assert (stored["decided_by"], stored["detail"]) == ("ada", "seen in their report")
    assert (stored["from_state"], stored["to_state"]) == ("uncertain", "accepted")


def test_an_accepted_delivery_cannot_be_resolved(bench: Bench) -> None:
    decide(bench, is_delivered=True)
    with pytest.raises(ResolveError, match="It needs no decision"):
        decide(bench, is_delivered=False)
    assert bench.states() == {"O1": "accepted"}


@pytest.mark.parametrize("delivery_id", ["nothing", "%"])
def test_an_unknown_delivery_is_refused(bench: Bench, delivery_id: str) -> None:
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
    reason = ["--by", "ada", "--why", "seen"]
    delivery_id = bench.row(order_id)["delivery_id"]
    result = CliRunner().invoke(app, ["resolve", delivery_id, "delivered", *reason])
    bench.database.dispose()
    assert result.exit_code == 0
    assert result.output == f"shop {shown}: uncertain -> accepted\n"


def test_the_command_requires_name_and_reason() -> None:
    result = CliRunner().invoke(app, ["resolve", "abc", "delivered"])
    assert result.exit_code == 2
