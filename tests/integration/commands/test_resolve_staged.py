"""`attribution resolve staged`: a person has imported a file."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.runs import launch
from support.deployment import DAY, Deployment, deployed

OLD = """
[destinations.trackdesk_old]
provider = "trackdesk"
tenant_id = "demo"
conversion_type_code = "sale"
channel = "csv"
"""
WHO = ("--by", "ada", "--why", "imported")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """One day that is staged for the import."""
    with deployed(tmp_path, orders_per_day=20, more=OLD) as deployment:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(launch, "open_instance", lambda: deployment.instance)
        assert deployment.attribution("export", *day(), *to()).exit_code == 0
        yield deployment


def day() -> tuple[str, str]:
    return ("--date", DAY.isoformat())


def to(name: str = "trackdesk_old") -> tuple[str, str]:
    return ("--to", name)


def imported(shop: Deployment) -> list[str]:
    file = shop.folder / "staging" / "outbox" / "trackdesk_old" / f"{DAY}.csv"
    with file.open(encoding="utf-8", newline="") as lines:
        return [row["External ID"] for row in csv.DictReader(lines)]


def states(shop: Deployment) -> dict[str, int]:
    return dict(shop.states("trackdesk_old"))


def test_a_day_is_a_file_and_nothing_is_sent(shop: Deployment) -> None:
    assert len(imported(shop)) == states(shop)["staged"] > 1
    assert shop.server.sandbox.requests("trackdesk") == {}


@pytest.mark.long
def test_all_of_a_file_is_closed_at_once(shop: Deployment) -> None:
    staged = states(shop)["staged"]
    done = shop.attribution("resolve", "staged", "delivered", *day(), *to(), *WHO)
    assert done.exit_code == 0
    assert done.output.count("staged -> accepted") == staged
    assert states(shop)["accepted"] == staged
    again = shop.attribution("resolve", "staged", "delivered", *day(), *to(), *WHO)
    assert (again.exit_code, "got none" in again.output) == (2, True)


@pytest.mark.long
def test_only_the_orders_of_a_list_are_closed(shop: Deployment) -> None:
    first, second, *_ = imported(shop)
    orders = shop.folder / "orders.txt"
    orders.write_text(f"\ufeff{first}\n\n {second} \r\n", encoding="utf-8")
    words = ("resolve", "staged", "delivered", *day(), *to(), *WHO)
    assert shop.attribution(*words, "--orders", str(orders)).exit_code == 0
    assert states(shop)["accepted"] == 2


@pytest.mark.long
def test_an_empty_list_closes_nothing(shop: Deployment) -> None:
    before = states(shop)
    orders = shop.folder / "orders.txt"
    orders.write_text("\n")
    words = ("resolve", "staged", "delivered", *day(), *to(), *WHO)
    assert shop.attribution(*words, "--orders", str(orders)).exit_code == 2
    assert states(shop) == before


@pytest.mark.long
@pytest.mark.parametrize(
    "words",
    [
        ("staged", "delivered"),
        ("staged", "delivered", *day()),
        ("0123abc", "delivered", *day(), *to()),
    ],
)
def test_either_an_id_or_a_day_of_a_destination_is_required(
    shop: Deployment, words: tuple[str, ...]
) -> None:
    result = shop.attribution("resolve", *words, *WHO)
    assert (result.exit_code, "Give one of the two" in result.output) == (2, True)


@pytest.mark.long
def test_a_day_without_staged_deliveries_is_named(shop: Deployment) -> None:
    words = ("resolve", "staged", "delivered", *day(), *to("idme_wallet"), *WHO)
    result = shop.attribution(*words)
    assert result.exit_code == 2
    text = " ".join(result.output.split())
    assert f"idme_wallet {DAY}: expected staged deliveries, got none. Look" in text
