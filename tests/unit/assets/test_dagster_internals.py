"""Dagster's private names stand in one module, and are where that module looks."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module

import pytest

from support.project import ROOT

MODULES = ("assets/dagster_internals.py", "tests/support/dagster_internals.py")
FOLDERS = ("assets", "pipelines", "sql", "tests", "benchmarks")


def private_names() -> Iterator[tuple[str, str]]:
    for module in MODULES:
        for node in ast.walk(ast.parse((ROOT / module).read_text())):
            if isinstance(node, ast.ImportFrom):
                yield from ((str(node.module), name.name) for name in node.names)


def pinned() -> str:
    found = re.search(r'"(dagster==[\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert found is not None
    return found.group(1)


def problem(module: str, name: str) -> str | None:
    """Return what to do where Dagster has moved a name; None: it is there."""
    try:
        if hasattr(import_module(module), name):
            return None
    except ImportError:
        pass
    return (
        f"Importing {name} failed: expected it in {module}, as in the pinned version "
        f"{pinned()}, got nothing. Find its new place in Dagster and change "
        "assets/dagster_internals.py, or pin that version again."
    )


@pytest.mark.parametrize(("module", "name"), list(private_names()))
def test_dagster_has_each_private_name(module: str, name: str) -> None:
    assert module.startswith("dagster._core")
    said = problem(module, name)
    assert said is None, said


@pytest.mark.parametrize(
    ("module", "name"),
    [("dagster._core.storage.tags", "MOVED"), ("dagster._core.moved", "execute_run")],
)
def test_a_name_that_moved_is_told_with_the_pinned_version(
    module: str, name: str
) -> None:
    said = problem(module, name) or ""
    assert said.startswith(f"Importing {name} failed: expected it in {module}")
    assert f"pinned version {pinned()}, got nothing." in said


def test_each_private_name_has_a_reason() -> None:
    reasons = "".join(ast.get_docstring(ast.parse(text)) or "" for text in texts())
    for _, name in private_names():
        assert f"`{name}`" in reasons, name


def texts() -> list[str]:
    return [(ROOT / module).read_text() for module in MODULES]


def test_no_other_module_imports_what_is_private_to_dagster() -> None:
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert len(paths) > 300
    found = {
        path.relative_to(ROOT).as_posix()
        for path in paths
        if re.search(r"^\s*(from|import) dagster\._", path.read_text(), re.M)
    }
    assert found == set(MODULES)
