"""Whoever kills the exporter, and whenever: nothing is lost and nothing counts twice.

Real processes, real SIGKILLs, a real server on loopback. `test_kill_long.py` does the
same a thousand times.
"""

from collections.abc import Iterator

import pytest
from faults.kill.campaign import Shop, campaign
from faults.kill.harness import Exporter
from faults.kill.job import BATCH, KINDS, Kind, Point
from faults.kill.server import CountingServer

from assets.delivery.database import Database

WINDOW = 4
EXACT = [point for point in Point if point is not Point.RANDOM]


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    with Exporter() as exporter:
        yield exporter


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest, database: Database) -> Iterator[Shop]:
    kind: Kind = request.param
    server = CountingServer(drops_repeats=kind == "dedupe")
    yield Shop(kind, database, server, orders=30 * BATCH[kind])
    server.close()


def test_kills_at_any_moment(shop: Shop, exporter: Exporter) -> None:
    shop.orders *= 5
    account = campaign(shop, exporter, [Point.RANDOM] * 6, shop.kind)
    assert (account.lost, account.double) == (0, 0)
    assert account.repeated == 0 or shop.kind == "dedupe"
    assert account.uncertain <= account.bound


@pytest.mark.parametrize("point", EXACT)
def test_a_kill_leaves_behind_what_is_promised(
    shop: Shop, exporter: Exporter, point: Point
) -> None:
    assert shop.kill(exporter, point, WINDOW).was_killed
    shop.server.wait_until_quiet()
    shop.check(complete=False)
    left = shop.states()["sending"]
    unspoken = sum(len(one.answered) == 0 for one in shop.server.journal)
    # The window grows by one after each: the fourth is four requests wide.
    width = WINDOW * BATCH[shop.kind]
    expected = {
        Point.BEFORE_CLAIM: {0},
        Point.IN_CLAIM: {0},
        Point.AFTER_CLAIM: {width},
        Point.AFTER_BYTES: {width},
        Point.AFTER_ANSWER: {width},
        Point.IN_OUTCOME: {width},
        Point.IN_COMMIT: {0, width},
    }
    assert left in expected[point]
    assert (unspoken > 0) == (point is Point.AFTER_BYTES)
    effects = shop.server.effects.total()
    shop.finish(exporter)
    shop.check(rerun=lambda: exporter.run(shop.job()))
    is_never = shop.kind != "dedupe"
    assert shop.states()["uncertain"] == (left if is_never else 0)
    missed = left if is_never and point is Point.AFTER_CLAIM else 0
    assert shop.server.effects.total() >= effects
    assert shop.server.effects.total() + missed == shop.orders
    assert shop.run_outcomes()["crashed"] == 1
