"""The documentation site as a reader opens it: from a folder, without a network."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from support.docs_site import Site, build_site

INDEX = """# Documentation

```mermaid
flowchart LR
  orders[(completed orders)] --> check{fit?}
  check -->|no| quarantine
```

```mermaid
stateDiagram-v2
  [*] --> pending
  pending --> delivered: accepted
```
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    checks = "# Checks\n\nA word that stands here alone: perpendicular.\n"
    return build_site(folder, {"docs/index.md": INDEX, "docs/checks.md": checks})


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page without a network; a request for something else than a file fails it."""
    context = browser.new_context(offline=True)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    yield page
    context.close()
    assert [url for url in asked if not url.startswith("file:")] == []


def test_diagrams_are_shown(site: Site, page: Page) -> None:
    page.goto((site.html / "index.html").as_uri())
    page.wait_for_url("**/docs/index.html")
    for diagram, label in zip(
        page.locator("object").all(), ("completed orders", "accepted"), strict=True
    ):
        picture = diagram.get_attribute("data")
        assert picture is not None
        drawing = page.frame(url=re.compile(re.escape(Path(picture).name)))
        assert drawing is not None
        text, whole = drawing.get_by_text(label).bounding_box(), diagram.bounding_box()
        assert text is not None
        assert whole is not None
        assert text["width"] > 40
        assert whole["x"] < text["x"]
        assert text["x"] + text["width"] < whole["x"] + whole["width"]


def test_search_finds_a_page(site: Site, page: Page) -> None:
    page.goto((site.html / "docs/index.html").as_uri())
    page.get_by_placeholder("Search").fill("perpendicular")
    page.keyboard.press("Enter")
    page.locator("#search-results a", has_text="Checks").click()
    page.wait_for_url("**/docs/checks.html*")
