"""The page of rules is the code's own words, and the words are those of the code."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from assets.data_rules import page
from assets.providers.registry import REGISTRY
from assets.providers.rules import DATA_ISSUES, QUARANTINED, SUPPRESSED, Rule
from assets.validation.schemas import EXTRACTS, JOINED_ORDERS, contract_columns
from support.project import ROOT

RULES = (*SUPPRESSED, *QUARANTINED, *DATA_ISSUES)
REASONS = {"Ineligible": 1, "InvalidValueError": "reason", "DataIssue": "code"}
"""What is made with a reason code -> which of its arguments that is."""


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(ROOT.glob("assets/**/*.py")):
        if path.name != "rules.py":
            yield path, ast.parse(path.read_text(encoding="utf-8"))


@cache
def constants() -> set[object]:
    """Every constant in the code."""
    return {
        node.value
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
    }


def decided() -> Iterator[tuple[str, str]]:
    """Package and code of each reason that a provider gives."""
    for path, tree in trees():
        for node in ast.walk(tree):
            name = getattr(getattr(node, "func", None), "id", None)
            if isinstance(node, ast.Call) and name in REASONS:
                where = REASONS[name]
                given = (
                    node.args[where : where + 1]
                    if isinstance(where, int)
                    else [one.value for one in node.keywords if one.arg == where]
                )
                for one in given:
                    if isinstance(one, ast.Constant):
                        yield path.parent.name, str(one.value)


def test_the_page_is_fresh() -> None:
    stored = (ROOT / "docs" / "data-rules.md").read_text(encoding="utf-8")
    assert stored == page(), "docs/data-rules.md is stale: run `make docs`"


def test_every_reason_that_a_provider_gives_is_a_rule_of_that_provider() -> None:
    found = list(decided())
    assert len(found) > 25
    assert {package for package, _ in found} >= set(REGISTRY)
    for provider, reason in found:
        own = [rule.providers for rule in RULES if rule.reason == reason]
        assert own, f"{provider}: no rule says what {reason} means"
        if provider in REGISTRY:
            assert any(not whose or provider in whose for whose in own), (
                f"no rule of {provider} says what {reason} means"
            )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.reason)
def test_every_rule_is_given_by_somebody(rule: Rule) -> None:
    assert rule.reason in constants()
    assert set(rule.providers) <= set(REGISTRY)


def test_every_check_is_on_the_page_under_its_table() -> None:
    sections = re.split(r"^## ", page(), flags=re.M)
    for schema in (*EXTRACTS.values(), JOINED_ORDERS):
        title = (
            f"Rows of `{schema.name}`"
            if schema.name in EXTRACTS
            else "Orders with their lines"
        )
        (section,) = (one for one in sections if one.startswith(title))
        for held in (schema, *schema.columns.values()):
            for check in held.checks:
                assert f"| `{check.name}` | " in section
                assert f" | {check.description} | " in section


def test_every_column_of_the_contract_is_under_some_rule() -> None:
    for statement in EXTRACTS:
        start = page().index(f"## Rows of `{statement}`")
        section = page()[start:].partition("\n\n## ")[0]
        columns = {
            column
            for line in section.splitlines()
            if line.startswith("| `")
            for column in line.split(" | ")[1].split(", ")
        }
        assert set(contract_columns(statement)) <= columns


def test_every_row_of_the_page_is_whole() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 80
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 4
        assert all(cells)
