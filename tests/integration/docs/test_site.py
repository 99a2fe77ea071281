"""The documentation site is built strictly: what a reader would stumble over fails."""

import pytest

from support.docs_site import Site, build_site

TOC = "document isn't included in any toctree [toc.not_included]"
MISSING = "'myst' cross-reference target not found: '{}' [myst.xref_missing]"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Two pages: one without a mistake, one with one of each kind."""
    good = """# Documentation

[page](alerts.md) [heading](alerts.md#a-heading) [root](../README.md)
[own](#documentation)
"""
    bad = """# Page that the navigation does not list

[page](nowhere.md) [heading](alerts.md#nothing) [own](#nothing-here)
![picture](images/none.png)

```mermaid
flowchart LR
  a --> [
```
"""
    return build_site(
        tmp_path_factory.mktemp("site"),
        {
            "README.md": "# Overview\n",
            "docs/index.md": good,
            "docs/alerts.md": "# Alerts\n\n## A heading\n",
            "docs/providers/impact.md": "# impact.com\n",
            "docs/unlisted.md": bad,
        },
    )


def test_a_mistake_fails_the_build(site: Site) -> None:
    assert site.status == 1


@pytest.mark.parametrize(
    "warning",
    [
        TOC,
        MISSING.format("nowhere.md"),
        MISSING.format("nothing-here"),
        "local id not found in doc 'docs/alerts': 'nothing' [myst.xref_missing]",
        "image file not readable: docs/images/none.png [image.not_readable]",
    ],
)
def test_each_mistake_is_named(site: Site, warning: str) -> None:
    assert warning in site.about("docs/unlisted.md")


def test_a_broken_diagram_is_named(site: Site) -> None:
    assert any("Parse error on line 2" in line for line in site.warnings)


def test_what_is_right_is_not_complained_about(site: Site) -> None:
    for page in ("README.md", "docs/alerts.md", "docs/providers/impact.md"):
        assert site.about(page) == []
    # The navigation lists pages of the project that this small site does not have.
    assert all("nonexisting document" in line for line in site.about("docs/index.md"))
