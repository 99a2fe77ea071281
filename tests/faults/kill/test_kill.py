"""Whenever the exporter is killed, no order is lost and none counts twice.

Real processes, real SIGKILLs, a real server on loopback. `test_kill_long.py` does the
same a thousand times.
"""

from collections.abc import Iterator

import pytest

from assets.ledger.database import Database
from faults.kill.campaign import Shop, campaign, open_shop
from faults.kill.harness import Exporter
from faults.kill.job import BATCH, IN_A_WINDOW, KINDS, Kind, Point

LONG = {"postgresql"}
WINDOW = 4


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest, database: Database) -> Iterator[Shop]:
    kind: Kind = request.param
    with open_shop(kind, database, orders=30 * BATCH[kind]) as shop:
        yield shop


@pytest.mark.sampled(1)
def test_kills_at_any_moment(shop: Shop, exporter: Exporter) -> None:
    shop.orders *= 5
    account = campaign(shop, exporter, [Point.RANDOM] * 6, shop.kind)
    assert (account.lost, account.double) == (0, 0)
    assert account.repeated == 0 or shop.kind == "dedupe"
    assert account.uncertain <= account.bound


@pytest.mark.sampled(6)
@pytest.mark.parametrize("point", IN_A_WINDOW)
def test_a_kill_keeps_every_guarantee(
    shop: Shop, exporter: Exporter, point: Point
) -> None:
    assert shop.kill(exporter, point, WINDOW).was_killed
    shop.server.wait_until_quiet()
    shop.await_last_commit()
    shop.check(complete=False)
    journal = shop.server.journal
    seen = {order for one in journal for order in one.orders}
    answered = {order for one in journal for order in one.answered}
    left, window = shop.orders_in("sending"), shop.last_window()
    if point in {Point.BEFORE_CLAIM, Point.IN_CLAIM}:
        assert left == set()
    elif point is Point.IN_COMMIT:
        assert left in (set(), window)
    else:
        assert left == window
    if point is Point.AFTER_CLAIM:
        assert not seen & left
    elif point is Point.AFTER_BYTES:
        assert seen & left
        assert seen - answered
    else:
        assert left <= answered
    shop.finish(exporter)
    shop.check(rerun=lambda: exporter.run(shop.job()))
    is_never = shop.kind != "dedupe"
    assert shop.orders_in("uncertain") == (left if is_never else set())
    uncounted = left - seen if is_never else set()
    assert shop.server.effects.total() == shop.orders - len(uncounted)
    assert shop.run_outcomes()["crashed"] == 1
