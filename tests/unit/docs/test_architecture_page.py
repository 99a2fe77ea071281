"""docs/architecture.md draws the floors and the states that the code has."""

import ast
import re
from collections.abc import Iterator, Mapping
from itertools import chain

import pytest

from assets.ledger.states import MANUAL_TRANSITIONS, TRANSITIONS, State
from support.project import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text()
DIAGRAMS = re.findall(r"```mermaid\n(.*?)```", PAGE, re.S)
ROOMS = sorted(
    path.stem
    for path in (ROOT / "assets").iterdir()
    if path.stem != "__init__"
    and (path.suffix == ".py" or (path / "__init__.py").exists())
)

Way = tuple[State | None, State]


def ways(legal: Mapping[State | None, frozenset[State]]) -> list[Way]:
    return [(before, after) for before, afters in legal.items() for after in afters]


def drawn() -> list[list[Way]]:
    """The transitions of each state diagram; `[*]` stands for no row yet."""
    found = []
    for diagram in DIAGRAMS:
        head, *lines = diagram.strip().splitlines()
        if head == "stateDiagram-v2":
            pairs = [line.strip().split(" --> ") for line in lines]
            found.append(
                [
                    (None if before == "[*]" else State(before), State(after))
                    for before, after in pairs
                ]
            )
    return found


def floors() -> list[list[str]]:
    """What is on each floor of `assets`, from the top, as the arrows order them."""
    (diagram,) = (one for one in DIAGRAMS if "subgraph assets" in one)
    assert "pipelines --> assets --> sql" in diagram
    rooms = {
        name: re.split(r",(?:<br/>)? ?", text)
        for name, text in re.findall(r'^ +(\w+)\["(.*)"\]$', diagram, re.M)
    }
    (upper, *lower) = re.findall(r"^ {8}(\w+ --> .*)$", diagram, re.M)
    order = upper.split(" --> ")
    for line in lower:
        first, *more = line.split(" --> ")
        assert first == order[-1]
        order += more
    assert sorted(order) == sorted(rooms)
    return [rooms[name] for name in order]


def imported(room: str) -> Iterator[str]:
    """The rooms of `assets`, and `sql` or `pipelines`, that a room imports from."""
    place = ROOT / "assets" / room
    files = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "assets":
                yield from (one.name for one in node.names)
            elif isinstance(node, ast.ImportFrom | ast.Import):
                module = getattr(node, "module", None)
                names = [module] if module else [one.name for one in node.names]
                for first, *rest in (name.split(".") for name in names):
                    if first == "assets":
                        yield rest[0]
                    elif first in {"sql", "pipelines"}:
                        yield first


def test_the_diagrams_of_the_program_have_every_transition_once() -> None:
    *program, _ = drawn()
    assert sorted(map(str, chain(*program))) == sorted(map(str, ways(TRANSITIONS)))


def test_the_last_diagram_has_what_a_person_decides() -> None:
    *_, person = drawn()
    assert sorted(map(str, person)) == sorted(map(str, ways({**MANUAL_TRANSITIONS})))


def test_every_room_is_on_one_floor() -> None:
    assert sorted(chain(*floors())) == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_below(room: str) -> None:
    order = [["pipelines"], *floors(), ["sql"]]
    level = {name: depth for depth, names in enumerate(order) for name in names}
    is_asset = level[room] == 1
    for other in {*imported(room)} - {room}:
        beside = is_asset and level[other] == level[room]
        assert beside or level[other] > level[room], f"{room} imports {other}"
