"""Two destinations of one provider do not affect each other.

Each of four providers has two accounts with the same event, the same orders go to both,
and the sandbox lets one of them fail.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import select

from assets.delivery.rate_limit import RateLimit
from assets.ledger.tables import delivery, delivery_attempt
from pipelines.build import open_destination
from pipelines.runs.day_results import DayResult
from support.deployment import Deployment, deployed, disable_in_run_retries

SECRETS = {
    "GOOD_SID": "IRgood7canary",
    "GOOD_TOKEN": "canary-good-token",
    "BAD_SID": "IRbad7canary",
    "BAD_TOKEN": "canary-bad-token",
    "GOOD_KEY": "canary-good-key",
    "BAD_KEY": "canary-bad-key",
}

IMPACT = """
[destinations.impact_{name}]
provider = "impact"
base_url = "{url}/impact"
account_sid = {{ env = "{upper}_SID" }}
auth_token = {{ env = "{upper}_TOKEN" }}
campaign_id = 1000
event_type_id = 9876
settle_after_minutes = 0
{more}
"""
TRACKDESK = """
[destinations.trackdesk_{name}]
provider = "trackdesk"
base_url = "{url}/trackdesk/{name}"
tenant_id = "demo"
conversion_type_code = "sale"
api_key = {{ env = "{upper}_KEY" }}
{more}
"""
CONVERT = """
[destinations.convert_{name}]
provider = "convert"
base_url = "{url}/convert"
account_id = "{number}"
project_id = "10056789"
goal_id = "99887766"
currency = "USD"
{more}
"""
IDME = """
[destinations.idme_{name}]
provider = "idme"
app_id = "{name}"
endpoint_url = "{url}/idme/{name}/events"
endpoint_headers = {{ Authorization = {{ env = "{upper}_TOKEN" }} }}
{more}
"""
LONG = {"convert", "idme"}
NUMBER = {"good": "1001", "bad": "1002"}


@dataclass(frozen=True)
class Pair:
    """Two accounts at one provider.

    Attributes:
        accounts: Their names in the sandbox: the good one, the bad one.
        delivered: The state of accepted orders.
    """

    provider: str
    toml: str
    accounts: tuple[str, str]
    delivered: str

    def config(self, url: str, more: Mapping[str, str]) -> str:
        return "".join(
            self.toml.format(
                name=name,
                upper=name.upper(),
                number=NUMBER[name],
                url=url,
                more=more.get(name, ""),
            )
            for name in ("good", "bad")
        )


PAIRS = [
    Pair("impact", IMPACT, (SECRETS["GOOD_SID"], SECRETS["BAD_SID"]), "settled"),
    Pair("trackdesk", TRACKDESK, ("good", "bad"), "accepted"),
    Pair("convert", CONVERT, (NUMBER["good"], NUMBER["bad"]), "accepted"),
    Pair("idme", IDME, ("good", "bad"), "accepted"),
]


@pytest.fixture(params=PAIRS, ids=lambda pair: pair.provider)
def pair(request: pytest.FixtureRequest) -> Pair:
    found: Pair = request.param
    return found


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    disable_in_run_retries(monkeypatch)
    with deployed(tmp_path, orders_per_day=20, environ=SECRETS) as deployment:
        yield deployment


def configure(shop: Deployment, pair: Pair, **more: str) -> tuple[str, str]:
    """Leave no destinations but the two; return their names."""
    head = shop.config_path.read_text().partition("[destinations.")[0]
    shop.config_path.write_text(head + pair.config(shop.server.url, more))
    return f"{pair.provider}_good", f"{pair.provider}_bad"


def export(shop: Deployment, pair: Pair, **more: str) -> tuple[DayResult, str, str]:
    good, bad = configure(shop, pair, **more)
    shop.server.sandbox.set_faults(f"{pair.provider}/{pair.accounts[1]}:status=429~.")
    return shop.run(), good, bad


def attempts(shop: Deployment, destination: str) -> list[dict[str, Any]]:
    statement = (
        select(delivery_attempt, delivery.c.order_id)
        .join(delivery, delivery.c.delivery_id == delivery_attempt.c.delivery_id)
        .where(delivery.c.destination == destination)
    )
    with shop.ledger() as database, database.read() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def by_order(shop: Deployment, destination: str) -> dict[str, dict[str, Any]]:
    return {row["order_id"]: row for row in shop.rows(destination).values()}


@pytest.mark.long
def test_one_that_fails_leaves_the_other_alone(shop: Deployment, pair: Pair) -> None:
    run, good, bad = export(shop, pair)
    assert set(run.failures) == {f"deliveries__{bad}"}
    assert shop.states(good)[pair.delivered] > 0
    assert shop.states(good)["retryable"] == shop.states(good)["pending"] == 0
    assert shop.states(bad)[pair.delivered] == 0
    assert shop.states(bad)["retryable"] > 0
    sandbox = shop.server.sandbox
    assert sandbox.effects(pair.provider, pair.accounts[0])
    assert not sandbox.effects(pair.provider, pair.accounts[1])


@pytest.mark.long
def test_the_same_order_and_event_has_a_delivery_at_each(
    shop: Deployment, pair: Pair
) -> None:
    _, good, bad = export(shop, pair)
    ours, theirs = by_order(shop, good), by_order(shop, bad)
    assert set(ours) == set(theirs)
    for order_id, row in ours.items():
        other = theirs[order_id]
        assert row["conversion_key"] == other["conversion_key"]
        assert row["delivery_id"] != other["delivery_id"]


@pytest.mark.long
def test_attempts_stand_with_the_destination_that_made_them(
    shop: Deployment, pair: Pair
) -> None:
    _, good, bad = export(shop, pair)
    ours, theirs = attempts(shop, good), attempts(shop, bad)
    outcomes = {row["http_status"] for row in ours if row["event"] == "outcome"}
    assert outcomes == {200}
    assert {row["http_status"] for row in theirs if row["event"] == "outcome"} == {429}
    assert not {row["attempt_id"] for row in ours} & {r["attempt_id"] for r in theirs}


@pytest.mark.long
def test_the_failed_one_is_finished_later_and_the_good_one_not_touched(
    shop: Deployment, pair: Pair
) -> None:
    _, good, bad = export(shop, pair)
    before = by_order(shop, good)
    sandbox = shop.server.sandbox
    took = sandbox.effects(pair.provider, pair.accounts[0])
    asked = sandbox.requests(pair.provider, pair.accounts[0])
    sandbox.set_faults()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=2)):
        run = shop.run()
    assert run.finished, run.failures
    assert sandbox.effects(pair.provider, pair.accounts[1]) == took
    assert sandbox.requests(pair.provider, pair.accounts[0]) == asked
    assert set(took.values()) == {1}
    assert by_order(shop, good) == before
    assert shop.states(bad) == shop.states(good)


@pytest.mark.long
@pytest.mark.parametrize("pair", PAIRS[:2], ids=lambda pair: pair.provider)
def test_each_sends_its_own_credentials(shop: Deployment, pair: Pair) -> None:
    wanted = {
        "impact": {
            f"impact/{SECRETS[f'{name}_SID']}": SECRETS[f"{name}_TOKEN"]
            for name in ("GOOD", "BAD")
        },
        "trackdesk": {
            f"trackdesk/{name.lower()}": SECRETS[f"{name}_KEY"]
            for name in ("GOOD", "BAD")
        },
    }[pair.provider]
    provider: Any = shop.server.sandbox.providers[pair.provider]
    provider._secrets.update(wanted)
    good, bad = configure(shop, pair)
    assert shop.run().finished
    assert shop.states(good) == shop.states(bad)
    assert shop.states(good)[pair.delivered] > 0


@pytest.mark.long
def test_secrets_are_separate_and_in_no_row(shop: Deployment, pair: Pair) -> None:
    _, good, bad = export(shop, pair)
    ours, theirs = (
        set(open_destination(shop.config, name).provider.secrets)
        for name in (good, bad)
    )
    assert not ours & theirs
    kept = json.dumps(
        [*attempts(shop, good), *attempts(shop, bad), *shop.rows().values()],
        default=str,
    )
    assert not [secret for secret in ours | theirs if secret in kept]


@pytest.mark.long
def test_a_rate_limit_belongs_to_its_destination(
    shop: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    intervals: list[float] = []
    wait = RateLimit.wait

    def note(pace: RateLimit) -> None:
        intervals.append(pace.interval)
        wait(pace)

    monkeypatch.setattr(RateLimit, "wait", note)
    good, bad = configure(shop, PAIRS[1], bad="requests_per_second = 50\nin_flight = 1")
    assert shop.run().finished
    posts = {name: len(attempts(shop, name)) // 2 for name in (good, bad)}
    assert intervals.count(0) == posts[good]
    assert intervals.count(1 / 50) == posts[bad]
    limits = open_destination(shop.config, good).provider.limits
    assert (limits.requests_per_second, limits.in_flight) == (None, 32)


@pytest.mark.long
def test_settings_of_one_are_not_those_of_the_other(shop: Deployment) -> None:
    good, bad = configure(shop, PAIRS[1], bad="max_age_days = 1")
    assert shop.run().finished
    assert set(shop.states(bad)) <= {"suppressed", "quarantined"}
    assert shop.states(good)["accepted"] > 0
