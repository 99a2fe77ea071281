"""Settings of the documentation site, which `make docs-site` builds with Sphinx.

The source folder is the root of the repository, so a link leads to the same page on the
site and on a code host. Pages are Markdown and hold nothing that only Sphinx reads.
"""

import shlex
import sys
import tomllib
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]

NAVIGATION = {
    "Start": [
        "Overview </README>",
        "/docs/getting-started",
        "/docs/commands",
    ],
    "Set up": [
        "/docs/statements",
        "/docs/configuration",
        "/docs/providers",
        "/docs/providers/*",
        "/docs/sandbox",
        "/docs/deployment",
    ],
    "Operate": [
        "/docs/operations",
        "/docs/rerun-a-failed-day",
        "/docs/alerts",
        "/docs/checks",
        "/docs/monitoring",
    ],
    "Query": [
        "/docs/delivery-tables",
        "/docs/data-rules",
        "/docs/delivery",
    ],
    "Contribute": [
        "/CONTRIBUTING",
        "/docs/architecture",
        "/docs/adding-a-provider",
        "/SECURITY",
        "/CHANGELOG",
    ],
}
"""The sidebar. A page that is not listed here fails the build."""

project = "attribution-exporter"
version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
release = version

extensions = ["myst_parser", "sphinxcontrib.mermaid"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md"]
# Large folders without pages.
exclude_patterns = [".*", "var"]

myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

# Diagrams are rendered during the build. A syntax error in one fails the build, and a
# reader needs neither JavaScript nor a network.
mermaid_output_format = "svg"
mermaid_cmd = shlex.join([sys.executable, "-m", "mermaidx"])
mermaid_params = ["--quiet"]
mermaid_config = {
    # Boxes are measured for text in DejaVu Sans; Verdana has the same widths.
    "fontFamily": "DejaVu Sans, Verdana, sans-serif",
    # A diagram keeps its own size instead of filling the page.
    "class": {"useMaxWidth": False},
    "er": {"useMaxWidth": False},
    "flowchart": {"useMaxWidth": False},
    "sequence": {"useMaxWidth": False},
    "state": {"useMaxWidth": False},
}

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False


def add_navigation(_app: Sphinx, page: str, source: list[str]) -> None:
    """Append the navigation to the front page, where Sphinx looks for it."""
    if page == root_doc:
        for caption, pages in NAVIGATION.items():
            options = f":hidden:\n:glob:\n:caption: {caption}"
            listed = "\n".join(pages)
            source[0] += f"\n\n```{{toctree}}\n{options}\n\n{listed}\n```\n"


def redirect_to_front_page(app: Sphinx, _failure: Exception | None) -> None:
    """Write `index.html`, the page that a web server shows for the site's address."""
    target = f"{root_doc}.html"
    (Path(app.outdir) / "index.html").write_text(
        "<!doctype html>\n"
        f"<title>{project}</title>\n"
        f'<meta http-equiv="refresh" content="0; url={target}">\n'
        f'<a href="{target}">{project}</a>\n'
    )


def setup(app: Sphinx) -> None:
    """Connect the functions above to the events of the build."""
    app.connect("source-read", add_navigation)
    app.connect("build-finished", redirect_to_front_page)
