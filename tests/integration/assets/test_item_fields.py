"""Columns of lines that configuration maps, from the warehouse to the provider."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.checkup.checkup import run_checks
from support.deployment import SECRETS, Deployment, deployed, disable_in_run_retries

MAPPING = """
[destinations.impact_us.item_fields]
ItemMpn = "extra.mpn"
ItemText_1 = "variant"
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    disable_in_run_retries(monkeypatch)
    with deployed(tmp_path) as deployment:
        text = deployment.config_path.read_text()
        deployment.config_path.write_text(text + MAPPING)
        yield deployment


@pytest.mark.long
def test_a_further_column_of_the_lines_reaches_the_provider(shop: Deployment) -> None:
    shop.warehouse("alter table order_items add column mpn varchar")
    shop.warehouse("update order_items set mpn = 'M-' || sku")
    shop.run()
    forms = [
        entry.body
        for entry in shop.server.sandbox.journal.entries
        if entry.account == SECRETS["IMPACT_SID"] and entry.method == "POST"
    ]
    assert forms
    for form in forms:
        assert form["ItemMpn1"] == f"M-{form['ItemSku1']}"


@pytest.mark.long
def test_a_column_of_the_lines_that_is_not_given_is_named(shop: Deployment) -> None:
    (found,) = (
        one for one in run_checks(shop.config) if one.subject == "destination impact_us"
    )
    assert not found.is_good
    assert "order_items.sql to give every column" in found.text
    assert "none named mpn" in found.text
    assert "take it out of `item_fields`" in found.text
