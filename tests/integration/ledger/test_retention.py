"""Bodies of old requests and replies are purged; their outcomes stay."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy.exc import DBAPIError

from assets.ledger.database import Database
from assets.ledger.retention import purge_bodies
from pipelines.build import build
from support.deployment import DAY, Deployment, deployed
from support.engine import NOW, Bench, FakeTransport, answer, many

BODIES = ("request_json", "response_text")


def attempts(bench: Bench) -> list[dict[str, Any]]:
    return sorted(bench.attempts(), key=lambda row: (row["attempt_id"], row["event"]))


@pytest.fixture
def bench(database: Database) -> Bench:
    found = Bench(database)
    found.transport = FakeTransport({"O00001": answer(400, b"no such event")})
    found.run(many(3))
    return found


def test_old_bodies_are_purged_and_everything_else_stays(bench: Bench) -> None:
    before = attempts(bench)
    held = [row for row in before if any(row[name] for name in BODIES)]
    assert purge_bodies(bench.database, NOW + timedelta(seconds=1)) == len(held) > 3
    after = attempts(bench)
    assert all(row[name] is None for row in after for name in BODIES)
    kept = [{**row, **dict.fromkeys(BODIES)} for row in before]
    assert after == kept
    assert any(row["request_hash"] for row in after)
    assert purge_bodies(bench.database, NOW + timedelta(seconds=1)) == 0


def test_recent_bodies_stay(bench: Bench) -> None:
    before = attempts(bench)
    assert purge_bodies(bench.database, NOW - timedelta(seconds=1)) == 0
    assert attempts(bench) == before


def test_a_purged_partition_is_still_finished(bench: Bench) -> None:
    purge_bodies(bench.database, NOW + timedelta(days=1))
    assert bench.run(many(3)).requests == 0


@pytest.mark.parametrize(
    "change",
    [
        "update delivery_attempt set response_text = 'other'",
        "update delivery_attempt set request_json = null, reason = 'x'",
    ],
)
def test_attempts_allow_no_change_but_purging(bench: Bench, change: str) -> None:
    with (
        pytest.raises(DBAPIError, match="append-only"),
        bench.database.write() as ledger,
    ):
        ledger.exec_driver_sql(change)


@pytest.mark.long
def test_the_job_purges_the_published_copy_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with deployed(tmp_path) as shop:
        assert shop.run(DAY).failures.keys() <= {"deliveries__trackdesk_bumpy"}
        assert published_bodies(shop) > 0
        monkeypatch.setattr("pipelines.retention.timedelta", lambda **_: timedelta(-1))
        job = build(shop.config).resolve_job_def("retention")
        assert job.execute_in_process(instance=shop.instance).success
        assert published_bodies(shop) == 0


def published_bodies(shop: Deployment) -> int:
    with duckdb.connect(str(shop.folder / "warehouse.db")) as connection:
        (count,) = connection.execute(
            "select count(*) from attribution.delivery_attempt"
            " where request_json is not null or response_text is not null"
        ).fetchone() or (0,)
    return int(count)
