"""docs/checks.md says what the checks are, and their defaults."""

import re

import pytest

from assets import deliveries, settlements
from assets.checks import money_conserved, reply_shape
from assets.thresholds import CheckSettings
from support.project import ROOT

THRESHOLDS = set(CheckSettings.model_fields) - {"destinations"}
PAGE = (ROOT / "docs/checks.md").read_text()
ROWS = dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", PAGE, re.M))


def test_the_page_lists_every_check_and_no_other() -> None:
    modules = (deliveries, money_conserved, reply_shape, settlements)
    fixed = {module.CHECK for module in modules}
    assert set(ROWS) == fixed | THRESHOLDS


@pytest.mark.parametrize("check", sorted(THRESHOLDS))
def test_the_page_tells_the_defaults(check: str) -> None:
    default = getattr(CheckSettings(), check).model_dump()
    cells = [cell.strip() for cell in ROWS[check].split("|")]
    assert cells[-1] == default.pop("severity")
    told = dict(re.findall(r"`(\w+)` ([\d.]+)", cells[-2]))
    assert {key: float(value) for key, value in told.items()} == default
