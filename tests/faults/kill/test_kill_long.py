"""A thousand kills, and what they cost: as in `test_kill.py`, printed."""

import random
from collections.abc import Iterator

import pytest

from assets.ledger.database import Database
from faults.kill.campaign import Account, Shop, campaign, table
from faults.kill.harness import Exporter
from faults.kill.job import BATCH, IN_A_WINDOW, KINDS, Kind, Point
from faults.kill.server import CountingServer

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

AT_ANY_MOMENT = 100
AT_EACH_POINT = 10
ORDERS = 600


def kills() -> list[Point]:
    points = [Point.RANDOM] * AT_ANY_MOMENT + list(IN_A_WINDOW) * AT_EACH_POINT
    random.shuffle(points)
    return points


@pytest.fixture(scope="module")
def accounts(request: pytest.FixtureRequest) -> Iterator[list[Account]]:
    """Takes the account of each campaign; all are printed in the end."""
    accounts: list[Account] = []
    yield accounts
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        request.config.get_terminal_writer().line("\n" + table(accounts))


@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_kills(
    kind: Kind, database: Database, accounts: list[Account]
) -> None:
    server = CountingServer(drops_repeats=kind == "dedupe")
    shop = Shop(kind, database, server, orders=ORDERS * BATCH[kind])
    name = f"{kind} {database.engine.dialect.name}"
    try:
        with Exporter() as exporter:
            account = campaign(shop, exporter, kills(), name)
    finally:
        server.close()
    accounts.append(account)
    assert (account.lost, account.double) == (0, 0)
    assert account.repeated == 0 or kind == "dedupe"
    assert account.uncertain <= account.bound
