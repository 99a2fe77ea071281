"""The page about impact.com names every parameter, every code, and tests that exist."""

import re

import pytest

from assets.providers.impact.fields import ITEM, ORDER, RANGES, SUB_IDS
from assets.providers.impact.settings import ImpactSettings
from assets.providers.impact.submissions import (
    BAD_DATA,
    CONFIGURATION,
    DUPLICATE,
    NOT_ATTRIBUTED,
)
from support.project import ROOT

PAGE = (ROOT / "docs/providers/impact.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|")
]
SENT = [row for row in ROWS if len(row) == 4]
LAST = RANGES | {"SubId": SUB_IDS}


def shown(name: str) -> str:
    """How the page writes a parameter: numbered ones as a range."""
    match = re.fullmatch(r"(Item)?(Date|Money|Numeric|Text|SubId)(_?)[0-9]+", name)
    if match is None:
        return f"`{name}`"
    base = "".join(part or "" for part in match.groups())
    return f"`{base}1`-`{base}{LAST[match[2]]}`"


@pytest.mark.parametrize("name", [*ORDER, *ITEM])
def test_every_parameter_is_in_the_table(name: str) -> None:
    assert any(shown(name) in row[0] for row in SENT)


def test_every_row_names_a_request_that_is_kept() -> None:
    for row in SENT[2:]:
        for name in re.findall(r"`(\w+)`", row[3]):
            assert (ROOT / f"tests/golden/impact/{name}.txt").exists(), name


def test_every_parameter_of_a_row_is_in_one_of_its_requests() -> None:
    for row in SENT[2:]:
        files = re.findall(r"`(\w+)`", row[3])
        text = "".join(
            (ROOT / f"tests/golden/impact/{name}.txt").read_text() for name in files
        )
        for name in re.findall(r"`(\w+)`", row[0]):
            base, dash, number = name.partition("_")
            lines = "[0-9]+" if name.startswith("Item") else ""
            assert re.search(rf"\n{base}{lines}{dash}{number} = ", text), name


def test_every_published_code_is_on_the_page() -> None:
    for code in NOT_ATTRIBUTED | CONFIGURATION | BAD_DATA | {DUPLICATE}:
        assert code in PAGE


def test_every_setting_on_the_page_exists() -> None:
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", PAGE))
    own = set(ImpactSettings.__annotations__) - {"provider", "base_url"}
    missing = {name for name in own if name not in PAGE} - {"account_sid", "auth_token"}
    assert missing == set()
    assert {"item_discount", "order_discount", "force_credit"} <= named
