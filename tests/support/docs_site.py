"""Builds a small documentation site with the project's own settings."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.project import ROOT


@dataclass(frozen=True)
class Site:
    """A built site.

    Attributes:
        html: Its folder.
        status: Exit status of the build.
        warnings: What the build said, one line each.
    """

    html: Path
    status: int
    warnings: list[str]

    def about(self, page: str) -> list[str]:
        """Warnings about a page, without its path and line number."""
        lines = [line.partition(f"{page}:") for line in self.warnings]
        return [rest.partition("WARNING: ")[2] for _, found, rest in lines if found]


def build_site(folder: Path, pages: Mapping[str, str]) -> Site:
    """Write pages, given by their path, and build them like `make docs-site`."""
    for name, text in pages.items():
        page = folder / "source" / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text)
    html = folder / "html"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "--builder", "html", "--quiet"),
            "--no-color",
            *("--conf-dir", ROOT / "docs", "--fail-on-warning"),
            *("--doctree-dir", folder / "doctrees", folder / "source", html),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return Site(html, done.returncode, done.stderr.splitlines())
