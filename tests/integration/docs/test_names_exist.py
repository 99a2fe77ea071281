"""README and docs name only what exists: commands, variables, tables, reasons."""

import re
from os.path import normpath
from pathlib import Path

import pytest
from typer.main import get_command

from assets.ledger.database import VIEWS
from assets.ledger.states import State
from assets.ledger.tables import metadata
from assets.providers.registry import REGISTRY
from assets.source.guards import Guards
from assets.validation.schemas import EXTRACTS, contract_columns
from pipelines.cli import app
from pipelines.configuration.config import Config
from support.project import ROOT

DOCS = [*ROOT.glob("docs/**/*.md")]
PAGES = {
    path.relative_to(ROOT).as_posix().removeprefix("docs/"): path.read_text()
    for path in [*ROOT.glob("*.md"), *DOCS]
}
ALL = "\n".join(PAGES.values())
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


def options(command: str) -> set[str]:
    return {name for one in COMMANDS[command].params for name in one.opts}


def test_every_command_in_the_docs_exists_with_its_options() -> None:
    for command, rest in re.findall(
        r"(?:`|bin/|\n)attribution ([a-z]+)\b([^`\n]*)", ALL
    ):
        assert command in COMMANDS
        assert set(re.findall(r"--[a-z-]+", rest)) <= options(command)


def test_every_command_is_listed() -> None:
    for command in COMMANDS:
        assert f"`attribution {command}" in PAGES["commands.md"]


def test_every_command_has_help() -> None:
    assert all(command.help for command in COMMANDS.values())


def test_every_make_target_in_the_docs_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"(?:`|\n)make ([a-z-]+)", ALL)) <= targets


def test_every_environment_variable_in_the_docs_is_read() -> None:
    read = "\n".join(
        path.read_text()
        for path in [
            ROOT / "pipelines/configuration/config.py",
            ROOT / "pipelines/destinations.toml",
        ]
    )
    for name in re.findall(r"\b(?:ATTRIBUTION|IMPACT)_[A-Z_]+\b", ALL):
        assert name in read


def test_every_link_leads_somewhere() -> None:
    for name, text in PAGES.items():
        page = ROOT / name if (ROOT / name).exists() else ROOT / "docs" / name
        for target in re.findall(r"\]\((?!http)([^)#]+)", text):
            assert (page.parent / target).exists(), f"{name} links to {target}"


def headings(name: str) -> set[str]:
    """The anchors of a page, as code hosts and site generators make them."""
    found = re.findall(r"^#+ (.*)$", PAGES[name], re.M)
    return {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in found}


def test_every_anchor_is_a_heading() -> None:
    for name, text in PAGES.items():
        for target, anchor in re.findall(r"\]\((?!http)([^)#]*)#([^)]+)\)", text):
            beside = Path(name).parent / target.removeprefix("docs/")
            page = normpath(beside) if target else name
            assert anchor in headings(page), f"{name} links to {target}#{anchor}"


def test_no_link_leads_out_of_the_docs() -> None:
    """A site is built from `docs/` alone."""
    docs = ROOT / "docs"
    for page in docs.glob("**/*.md"):
        for target in re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text()):
            there = (page.parent / target).resolve()
            assert there.is_relative_to(docs), f"{page.name} links to {target}"


def test_every_page_is_in_the_index() -> None:
    linked = set(re.findall(r"\]\(([\w./-]+\.md)[)#]", PAGES["index.md"]))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in DOCS}
    assert linked == pages - {"index.md"}


def test_every_path_in_the_docs_exists() -> None:
    rooms = "sql|assets|pipelines|docs|tests|benchmarks|deploy"
    paths = re.findall(rf"`((?:{rooms})/[\w./-]*)`", ALL)
    assert paths
    for path in paths:
        assert (ROOT / path).exists(), path


def test_every_name_on_the_page_about_providers_is_in_the_code() -> None:
    code = "\n".join(
        path.read_text()
        for pattern in (
            "assets/providers/**/*.py",
            "pipelines/sandbox/**/*.py",
            "sql/transform/*.sql",
            "tests/unit/**/*.py",
        )
        for path in ROOT.glob(pattern)
    )
    names = re.findall(r"`(?:\w+\.)*(\w+)[^`/.]*`", PAGES["adding-a-provider.md"])
    python = {name for name in names if name not in {"attribution", "make", "py"}}
    assert len(python) > 40
    for name in python:
        assert re.search(rf"\b{name}\b", code), name


def test_every_view_and_table_is_documented() -> None:
    for view in VIEWS:
        assert f"`{view}`" in PAGES["delivery-tables.md"]
    for table in metadata.tables:
        assert f"`{table}`" in PAGES["delivery-tables.md"]


def test_the_query_of_the_tables_names_columns_that_the_view_has() -> None:
    view = (ROOT / "sql/views/v_delivery_daily.sql").read_text()
    query = re.search(r"```sql\n(.*?)```", PAGES["delivery-tables.md"], re.S)
    assert query is not None
    columns = re.findall(r"\b[a-z_]+\b", query.group(1).split("from")[0])
    for column in set(columns) - {"select"}:
        assert re.search(rf"\b{column}\b", view), column


@pytest.mark.parametrize("state", list(State))
def test_every_state_is_documented(state: State) -> None:
    assert f"`{state}`" in PAGES["delivery-tables.md"]


def test_every_column_of_the_contract_is_documented() -> None:
    for statement, schema in EXTRACTS.items():
        _, _, section = PAGES["statements.md"].partition(f"## `{statement}`\n")
        rows = re.findall(
            r"^\| `(\w+)` \| (yes|no) \| .+ \|$", section.partition("\n## ")[0], re.M
        )
        assert rows == [
            (column, "no" if schema.columns[column].nullable else "yes")
            for column in contract_columns(statement)
        ]


def test_every_golden_request_in_the_docs_exists() -> None:
    for page in ROOT.glob("docs/providers/*.md"):
        folder = ROOT / "tests/golden" / page.stem
        title = f"golden request in `tests/golden/{page.stem}/` |"
        _, found, table = page.read_text().partition(title)
        rows = table.partition("\n\n")[0].splitlines()
        for row in rows if found else []:
            for name in re.findall(r"`(\w+)`", row.split("|")[-2] if row else ""):
                assert (folder / f"{name}.txt").exists(), name


def test_every_setting_is_documented() -> None:
    page = PAGES["configuration.md"]
    settings = {
        name for entry in REGISTRY.values() for name in entry.settings.model_fields
    }
    settings |= set(Config.model_fields) | set(Guards.model_fields)
    for name in settings - {"destinations"}:
        assert f"`{name}`" in page, name


def test_every_reason_in_the_code_is_documented() -> None:
    page = PAGES["delivery-tables.md"]
    found: set[str] = set()
    for path in ROOT.glob("assets/**/*.py"):
        text = path.read_text()
        found |= set(re.findall(r'reason="([a-z_]+)"', text))
        found |= set(re.findall(r'Ineligible\(\s*"[a-z]+",\s*"([a-z_]+)"', text))
    assert len(found) > 20
    for reason in found:
        assert f"`{reason}`" in page, reason
