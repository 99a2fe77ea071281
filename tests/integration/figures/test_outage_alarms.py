"""The alert rules of docs/monitoring.md, evaluated on every night of an outage."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from assets.figures.metrics import destination_metrics
from assets.ledger.database import Database
from assets.ledger.runs import end_run, start_run
from pipelines.metrics import DeliveryMetrics, exposition
from support.deployment import ROOT
from support.engine import (
    LOST,
    NEVER,
    Bench,
    FakeProvider,
    FakeTransport,
    answer,
    order,
)

LONG = {"postgresql"}

FIRST = date(2026, 11, 1)
LOOKBACK = 3
NOT_DELIVERED, LEFT = "AttributionNotDelivered", "AttributionPartitionsLeft"
RULE = re.compile(r"(time\(\) - )?(attribution_\w+) > (\d+)(?: \* (\d+))?")
DOWN = "stopped_configuration"


def rules() -> dict[str, str]:
    """Return the documented expressions of this exporter's metrics, by alert."""
    page = (ROOT / "docs/monitoring.md").read_text()
    (block,) = re.findall(r"```yaml\n(- alert:.*?)```", page, re.S)
    found = {one["alert"]: one["expr"] for one in yaml.safe_load(block)}
    return {name: expr for name, expr in found.items() if "node_" not in expr}


class Shop:
    """A destination that runs every night at 03:00 in New York.

    Each night runs the lookback days again; complete days are complete again.
    """

    def __init__(self, database: Database) -> None:
        self.bench = Bench(database)
        self.night = 0
        self.outcomes: dict[date, str] = {}

    def pass_nights(self, nights: int, *, down: bool = False) -> None:
        for _ in range(nights):
            self.night += 1
            today = FIRST + timedelta(days=self.night)
            self.bench.clock.now = datetime(*today.timetuple()[:3], 8, tzinfo=UTC)
            for back in range(1, min(LOOKBACK, self.night) + 1):
                day = today - timedelta(days=back)
                was_complete = self.outcomes.get(day) == "complete"
                self.run(day, DOWN if down and not was_complete else "complete")

    def run(self, day: date, outcome: str) -> None:
        self.bench.clock.pass_by(minutes=5)
        ledger = self.bench.ledger()
        start_run(ledger, day.isoformat())
        end_run(ledger, day.isoformat(), {"outcome": outcome})
        self.outcomes[day] = outcome

    def values(self, at: datetime) -> dict[str, float]:
        """Return what `attribution metrics` exports, value by metric."""
        first = (at.date() - timedelta(days=7)).isoformat()
        found = destination_metrics(self.bench.database, ["shop"], first=first)
        text = exposition(DeliveryMetrics(found, at))
        return {
            sample.name: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.labels == {"destination": "shop"}
        }

    def firing_alerts(self, *, after_hours: float = 0) -> set[str]:
        """Return the documented alerts that fire some hours after the last run."""
        at = self.bench.clock.now + timedelta(hours=after_hours)
        values, firing = self.values(at), set()
        for name, expression in rules().items():
            rule = RULE.fullmatch(expression)
            assert rule is not None
            is_age, metric, limit, unit = rule.groups()
            value = at.timestamp() - values[metric] if is_age else values[metric]
            if value > int(limit) * int(unit or 1):
                firing.add(name)
        return firing


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database)


def test_no_alert_fires_while_every_night_completes(shop: Shop) -> None:
    for _ in range(5):
        shop.pass_nights(1)
        assert shop.firing_alerts() == shop.firing_alerts(after_hours=23.5) == set()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("nights", [2, 9, 30])
def test_an_outage_fires_from_its_first_day_to_its_last(
    shop: Shop, nights: int
) -> None:
    shop.pass_nights(5)
    shop.pass_nights(1, down=True)
    assert shop.firing_alerts(after_hours=17) == {NOT_DELIVERED, LEFT}
    for _ in range(nights - 1):
        shop.pass_nights(1, down=True)
        assert (
            shop.firing_alerts()
            == shop.firing_alerts(after_hours=23)
            == {NOT_DELIVERED, LEFT}
        )
    assert shop.values(shop.bench.clock.now)["attribution_partitions_left"] == nights


def test_running_an_old_partition_again_silences_no_alert(shop: Shop) -> None:
    shop.pass_nights(5)
    shop.pass_nights(4, down=True)
    shop.run(FIRST, "complete")
    assert shop.firing_alerts() == {NOT_DELIVERED, LEFT}


def test_nights_without_a_run_fire(shop: Shop) -> None:
    shop.pass_nights(5)
    assert shop.firing_alerts(after_hours=17 + 24) == {NOT_DELIVERED}
    assert shop.firing_alerts(after_hours=90 * 24) == {NOT_DELIVERED}


def test_giving_up_old_partitions_one_by_one_silences_no_alert(shop: Shop) -> None:
    shop.pass_nights(5)
    for _ in range(6):
        shop.pass_nights(1, down=True)
        given_up = FIRST + timedelta(days=shop.night - LOOKBACK)
        shop.run(given_up, "complete")
    assert NOT_DELIVERED in shop.firing_alerts()


def test_partitions_outside_the_lookback_stay_unfinished_after_an_outage(
    shop: Shop,
) -> None:
    shop.pass_nights(5)
    shop.pass_nights(6, down=True)
    shop.pass_nights(1)
    assert shop.firing_alerts() == {LEFT}
    for day in [day for day, outcome in shop.outcomes.items() if outcome == DOWN]:
        assert shop.firing_alerts() == {LEFT}
        shop.run(day, "complete")
    assert shop.firing_alerts() == set()


def test_the_newest_partition_stays_complete_while_it_runs_again(shop: Shop) -> None:
    shop.pass_nights(3)
    start_run(shop.bench.ledger(), (FIRST + timedelta(days=2)).isoformat())
    assert shop.firing_alerts(after_hours=23) == set()


def test_a_destination_that_was_never_complete_has_every_series(shop: Shop) -> None:
    assert shop.firing_alerts() == {NOT_DELIVERED}
    shop.pass_nights(1, down=True)
    assert shop.firing_alerts() == {NOT_DELIVERED, LEFT}


def test_a_removed_destination_has_no_series(shop: Shop) -> None:
    shop.bench.run([order()])
    shop.pass_nights(1)
    assert destination_metrics(shop.bench.database, [], first="") == {}


@pytest.mark.parametrize(
    ("reply", "provider", "left"),
    [
        (answer(503), FakeProvider(), 1),
        (LOST, FakeProvider(), 1),
        (LOST, FakeProvider(resend=NEVER), 0),
        (answer(422), FakeProvider(), 0),
    ],
)
def test_a_partition_is_unfinished_when_its_deliveries_are_to_be_sent_again(
    database: Database, reply: object, provider: FakeProvider, left: int
) -> None:
    shop = Shop(database)
    shop.bench.provider = provider
    shop.bench.transport = FakeTransport({"O1": reply})
    shop.bench.run([order("O1"), order("O2")], partition_key=FIRST.isoformat())
    shop.run(FIRST, "complete")
    values = shop.values(shop.bench.clock.now)
    assert values["attribution_partitions_left"] == left
    assert (values["attribution_newest_complete_timestamp_seconds"] > 0) == (not left)
