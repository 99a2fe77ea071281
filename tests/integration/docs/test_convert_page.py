"""The page about Convert names only what exists, and all that a destination may set."""

import re

from assets.providers.convert.provider import ConvertSettings
from assets.providers.settings import DestinationSettings
from support.project import ROOT

PAGE = (ROOT / "docs/providers/convert.md").read_text()
TESTS = "\n".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 15
    for name in named:
        assert f"def {name}(" in TESTS, name


def test_every_setting_of_convert_is_on_its_page() -> None:
    own = set(ConvertSettings.model_fields) - set(DestinationSettings.model_fields)
    for name in own:
        assert f"`{name}`" in PAGE, name
