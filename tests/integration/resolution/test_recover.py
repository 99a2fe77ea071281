"""Recovery after the delivery tables were restored to an earlier time.

Orders that a provider has are not sent again, whatever it does with repeats.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import select

from assets.ledger.tables import delivery_attempt
from pipelines.runs import launch
from support.deployment import DAY, Deployment, deployed, disable_in_run_retries

pytestmark = pytest.mark.long  # each starts from orders that were delivered

BEFORE = DAY - timedelta(days=1)
NAME = "convert_web"
WHO = ("--by", "ada", "--why", "restore of the backup")
DAYS = ("--from", str(BEFORE), "--to", str(DAY))
Rows = dict[str, dict[str, Any]]


def attribution(shop: Deployment, *words: str, status: int = 0) -> Result:
    result = shop.attribution(*words)
    assert result.exit_code == status, result.output
    return result


def copy_database(folder: Path, now: str, then: str) -> None:
    for file in folder.glob(f"{then}*"):
        file.unlink()
    for file in folder.glob(f"{now}*"):
        copy(file, str(file).replace(now, then))


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days were delivered; the backup was made after the first one."""
    folder = tmp_path_factory.mktemp("delivered")
    with deployed(folder, orders_per_day=14, days=2) as deployment:
        deployment.run(BEFORE, destinations=[NAME])
        copy_database(folder, "ledger.db", "backup.db")
        deployment.run(DAY, destinations=[NAME])
    return folder


@pytest.fixture
def shop(
    delivered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployment]:
    """A copy of the delivered shop that continues where the original stopped."""
    copytree(delivered, tmp_path, dirs_exist_ok=True)
    disable_in_run_retries(monkeypatch)
    with deployed(tmp_path) as deployment:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(launch, "open_instance", lambda: deployment.instance)
        yield deployment


def restored(shop: Deployment) -> tuple[Rows, Counter[str]]:
    """Restore the backup; return the deliveries and the effects from before."""
    known, reported = shop.rows(), effects(shop)
    assert reported
    copy_database(shop.folder, "backup.db", "ledger.db")
    assert len(shop.rows()) < len(known)
    attribution(shop, "migrate")
    return known, reported


def effects(shop: Deployment) -> Counter[str]:
    return Counter(shop.server.sandbox.effects("convert"))


def run_again(shop: Deployment) -> None:
    attribution(shop, "export", "--date", str(DAY), "--to", NAME)


def worth(rows: Rows) -> dict[str, tuple[Any, ...]]:
    names = ("state", "amount_minor", "currency", "partition_key", "order_date")
    return {key: tuple(row[name] for name in names) for key, row in rows.items()}


def manual(shop: Deployment) -> list[dict[str, Any]]:
    statement = select(delivery_attempt).where(delivery_attempt.c.event == "manual")
    with shop.ledger() as database, database.read() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def test_without_recovery_orders_would_count_twice(shop: Deployment) -> None:
    restored(shop)
    run_again(shop)
    assert max(effects(shop).values()) == 2


def test_recovered_deliveries_are_not_sent_again(
    shop: Deployment,
) -> None:
    known, reported = restored(shop)
    attribution(shop, "recover", *DAYS, *WHO)
    attribution(shop, "backfill", *DAYS, "--all", "--destination", NAME)
    assert effects(shop) == reported
    assert worth(shop.rows()) == worth(known)


def test_rows_that_the_copy_contains_twice_are_recovered_once(shop: Deployment) -> None:
    for table in ("delivery", "delivery_attempt"):
        copy = f"attribution.{table}"
        shop.warehouse(f"insert into {copy} select * from {copy}")
    known, reported = restored(shop)
    attribution(shop, "recover", *DAYS, *WHO)
    attribution(shop, "backfill", *DAYS, "--all", "--destination", NAME)
    assert (effects(shop), worth(shop.rows())) == (reported, worth(known))


def test_each_recovered_delivery_is_stored_as_a_decision(shop: Deployment) -> None:
    restored(shop)
    before = shop.rows()
    attribution(shop, "recover", *DAYS, *WHO)
    recovered = shop.rows().keys() - before.keys()
    stored = manual(shop)
    assert len(stored) == len(recovered) > 0
    assert {(one["decided_by"], one["reason"]) for one in stored} == {
        ("ada", "recovered")
    }
    assert {one["from_state"] for one in stored} == {None}


def test_attempts_are_recovered_as_well(shop: Deployment) -> None:
    with shop.ledger() as database, database.read() as connection:
        before = set(
            connection.execute(select(delivery_attempt.c.attempt_id)).scalars()
        )
    restored(shop)
    attribution(shop, "recover", *DAYS, *WHO)
    with shop.ledger() as database, database.read() as connection:
        after = set(connection.execute(select(delivery_attempt.c.attempt_id)).scalars())
    assert before <= after


def test_recovering_again_changes_nothing(shop: Deployment) -> None:
    restored(shop)
    attribution(shop, "recover", *DAYS, *WHO)
    once, stored = shop.rows(), len(manual(shop))
    again = attribution(shop, "recover", *DAYS, *WHO)
    assert "0 deliveries were taken back" in again.output
    assert (shop.rows(), len(manual(shop))) == (once, stored)


def test_nothing_is_recovered_where_nothing_was_lost(shop: Deployment) -> None:
    before = shop.rows()
    attribution(shop, "recover", *DAYS, *WHO)
    assert shop.rows() == before


def test_deliveries_that_were_planned_again_are_recovered_as_well(
    shop: Deployment,
) -> None:
    _, reported = restored(shop)
    text = shop.config_path.read_text()
    head = f"[destinations.{NAME}]\n"
    shop.config_path.write_text(text.replace(head, f"{head}enabled = false\n"))
    shop.warehouse("create schema stored")
    shop.warehouse("create table stored.delivery as from attribution.delivery")
    attribution(shop, "export", "--date", str(DAY), "--to", NAME)
    assert set(shop.states(NAME)) >= {"suppressed"}
    shop.warehouse("delete from attribution.delivery")
    shop.warehouse("insert into attribution.delivery from stored.delivery")
    shop.config_path.write_text(text)
    attribution(shop, "recover", *DAYS, *WHO)
    run_again(shop)
    assert effects(shop) == reported


def test_a_delivery_copied_while_sending_waits_for_a_person(
    shop: Deployment,
) -> None:
    _, reported = restored(shop)
    shop.warehouse(
        "update attribution.delivery set state = 'sending', accepted_at = null, "
        "first_sent_at = null where destination = ? and partition_key = ? "
        "and state = 'accepted'",
        NAME,
        str(DAY),
    )
    attribution(shop, "recover", *DAYS, *WHO)
    assert shop.states(NAME)["uncertain"] > 0
    run_again(shop)
    assert effects(shop) == reported


def test_without_a_copy_the_message_names_the_next_step(shop: Deployment) -> None:
    restored(shop)
    shop.warehouse("drop schema attribution cascade")
    reported = attribution(shop, "recover", *DAYS, *WHO, status=2)
    assert "attribution resolve orders" in " ".join(reported.output.split())


def orders_file(shop: Deployment, known: Rows) -> Path:
    reported = [
        row["order_id"]
        for row in known.values()
        if (row["destination"], row["state"]) == (NAME, "accepted")
    ]
    assert len(reported) > 2
    file = shop.folder / "orders.txt"
    file.write_text("\n".join(reported))
    return file


def close_orders(shop: Deployment, file: Path, status: int = 0) -> Result:
    words = ("--date", str(DAY), "--to", NAME, "--orders", str(file), *WHO)
    return attribution(shop, "resolve", "orders", "delivered", *words, status=status)


def test_orders_of_a_provider_report_are_closed_by_order_id(
    shop: Deployment,
) -> None:
    known, reported = restored(shop)
    close_orders(shop, orders_file(shop, known))
    run_again(shop)
    assert effects(shop) == reported
    assert worth(shop.rows(NAME)) == worth(
        {key: row for key, row in known.items() if row["destination"] == NAME}
    )


def test_closing_orders_again_changes_nothing(shop: Deployment) -> None:
    known, _ = restored(shop)
    file = orders_file(shop, known)
    close_orders(shop, file)
    once, stored = shop.rows(), manual(shop)
    assert {one["decided_by"] for one in stored} == {"ada"}
    assert "nothing was changed" in close_orders(shop, file).output
    assert (shop.rows(), manual(shop)) == (once, stored)


def test_orders_suppressed_meanwhile_can_be_closed(shop: Deployment) -> None:
    known, reported = restored(shop)
    text = shop.config_path.read_text()
    head = f"[destinations.{NAME}]\n"
    shop.config_path.write_text(text.replace(head, f"{head}enabled = false\n"))
    run_again(shop)
    close_orders(shop, orders_file(shop, known))
    shop.config_path.write_text(text)
    run_again(shop)
    assert effects(shop) == reported


def test_orders_can_only_be_closed_as_delivered(shop: Deployment) -> None:
    file = shop.folder / "orders.txt"
    file.write_text("")
    close_orders(shop, file, status=2)
    file.write_text("O1\n")
    words = ("--date", str(DAY), "--to", NAME, "--orders", str(file), *WHO)
    attribution(shop, "resolve", "orders", "not-delivered", *words, status=2)
