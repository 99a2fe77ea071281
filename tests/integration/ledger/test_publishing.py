"""The copy for analysts contains each delivery once, even with concurrent runs."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from assets.ledger.database import Database
from assets.ledger.publishing import publish
from support.engine import DAY, Bench, many

ORDERS = 300


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    database = Database(f"sqlite:///{tmp_path}/ledger.db")
    database.migrate()
    made = Bench(database)
    made.run(many(ORDERS))
    yield made
    database.dispose()


@pytest.fixture
def warehouse(postgres_url: str) -> Iterator[Engine]:
    engine = create_engine(postgres_url)
    yield engine
    engine.dispose()


def test_two_runs_that_publish_a_day_at_once_store_it_once(
    bench: Bench, warehouse: Engine
) -> None:
    with ThreadPoolExecutor(2) as runs:
        for _ in range(4):
            both = [
                runs.submit(publish, bench.database, warehouse, DAY) for _ in range(2)
            ]
            assert [one.result()["delivery"] for one in both] == [ORDERS, ORDERS]
            with warehouse.connect() as connection:
                for table in ("delivery", "delivery_attempt"):
                    count = text(
                        f"select count(*), count(distinct delivery_id) "
                        f"from attribution.{table}"
                    )
                    rows, deliveries = connection.execute(count).one()
                    assert rows == deliveries * (2 if "attempt" in table else 1)
