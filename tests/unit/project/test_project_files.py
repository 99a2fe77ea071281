"""The files that people of a project expect say the same and what is true."""

import re
import tomllib
from datetime import date
from itertools import pairwise
from typing import Any

import pytest
import yaml

from support.project import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
RELEASES = re.findall(r"^## (\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d)$", CHANGELOG, re.M)
WORKFLOW = (ROOT / ".github/workflows/ci.yml").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
PAGES = ("CONTRIBUTING.md", "SECURITY.md")


def test_the_newest_release_is_the_version_of_the_project() -> None:
    newest, _ = RELEASES[0]
    assert newest == VERSION


def test_the_image_has_the_version_of_the_project() -> None:
    compose = (ROOT / "deploy/compose.yaml").read_text()
    assert f"image: attribution-exporter:{VERSION}\n" in compose


def test_every_section_of_the_changelog_is_a_release_in_order() -> None:
    headings = re.findall(r"^## (.+)$", CHANGELOG, re.M)
    assert headings == ["Unreleased", *(f"{one} - {day}" for one, day in RELEASES)]
    for (newer, day), (older, earlier) in pairwise(RELEASES):
        assert [*map(int, newer.split("."))] > [*map(int, older.split("."))]
        assert date.fromisoformat(day) >= date.fromisoformat(earlier)


def test_changes_are_grouped_by_their_kind() -> None:
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", CHANGELOG, re.M)) <= kinds


@pytest.mark.parametrize("page", PAGES)
def test_every_path_on_a_page_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    paths = re.findall(r"`((?:\.\w+|\w+)/[\w./-]*)`", text)
    paths += re.findall(r"(?:tests|docs|assets)/[\w./-]+", text)
    assert len(paths) > 10
    for path in paths:
        if not path.startswith((".venv/", "var/")):
            assert (ROOT / path.rstrip(".")).exists(), path


def test_ci_runs_what_the_project_runs() -> None:
    job: dict[str, Any] = yaml.safe_load(WORKFLOW)["jobs"]["run"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert job["container"].startswith("python:3.11.")


def test_ci_may_only_read_and_its_actions_are_pinned() -> None:
    workflow: dict[str, Any] = yaml.safe_load(WORKFLOW)
    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in workflow["jobs"]["run"]
    actions = re.findall(r"uses: (.+)", WORKFLOW)
    assert actions
    for action in actions:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_pre_commit_runs_the_tools_of_make_check() -> None:
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    hooks = [hook["entry"].removeprefix(".venv/bin/") for hook in local["hooks"]]
    recipe = MAKEFILE.partition("\ncheck: ")[2].partition("\n\n")[0]
    commands = re.findall(r"\t\$\(BIN\)/(.+)", recipe)
    assert [one.split()[:2] for one in hooks] == [one.split()[:2] for one in commands]


def test_every_make_target_has_a_line_of_help() -> None:
    named = set(re.findall(r"^\.PHONY: (\S+)$", MAKEFILE, re.M)) - {"help"}
    helped = set(re.findall(r"^([a-z-]+):.*## \S", MAKEFILE, re.M)) - {"help"}
    assert named == helped
