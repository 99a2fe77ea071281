"""A thousand kills as in `test_kill.py`, with a printed report."""

import random
from collections.abc import Iterator

import pytest

from assets.ledger.database import Database
from faults.kill.campaign import Account, campaign, open_shop, table
from faults.kill.harness import Exporter
from faults.kill.job import BATCH, IN_A_WINDOW, KINDS, Kind, Point

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
    name = f"{kind} {database.engine.dialect.name}"
    orders = ORDERS * BATCH[kind]
    with open_shop(kind, database, orders=orders) as shop, Exporter() as exporter:
        account = campaign(shop, exporter, kills(), name)
    accounts.append(account)
    assert (account.lost, account.double) == (0, 0)
    assert account.repeated == 0 or kind == "dedupe"
    assert account.uncertain <= account.bound
