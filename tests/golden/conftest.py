"""The exact requests that named orders must give, readable by a person.

`pytest --update-golden` writes the files anew; a changed file is a changed payload and
has to be looked at.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from assets.providers.base import Exchange, Request
from assets.providers.replies import Reply


def render(request: Request) -> str:
    """The request as text: line, headers, body; form fields one a line, decoded."""
    headers = [f"{name}: {value}" for name, value in sorted(request.headers.items())]
    return "\n".join(
        [f"{request.method} {request.url}", *headers, "", _body(request), ""]
    )


def _body(request: Request) -> str:
    text = request.body.decode("utf-8")
    if "urlencoded" not in dict(request.headers).get("Content-Type", ""):
        return text
    fields = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    return "\n".join([text, "", *(f"{name} = {value}" for name, value in fields)])


def indented(request: Request) -> str:
    """The same for a JSON body, once more below with a line for each value."""
    marked = json.loads(request.body, parse_float=lambda digits: f"<{digits}>")
    text = json.dumps(marked, ensure_ascii=False, indent=2)
    # Money as it stands in the bytes: 12.50, not 12.5.
    exact = re.sub(r'"<(-?[0-9.]+)>"', r"\1", text)
    return f"{render(request)}\n{exact}\n"


def requests_of(exchange: Exchange, replies: list[Reply]) -> list[Request]:
    """Every request that the exchange makes when it is given these replies."""
    made = [next(exchange)]
    for reply in replies:
        try:
            made.append(exchange.send(reply))
        except StopIteration:
            break
    return made


@pytest.fixture
def golden(
    request: pytest.FixtureRequest,
) -> Callable[..., None]:
    """Compares requests with `tests/golden/<provider>/<name>.txt`."""
    update = request.config.getoption("--update-golden")

    def compare(name: str, made: list[Request], *, by_line: bool = False) -> None:
        file = Path(__file__).parent / f"{name}.txt"
        show = indented if by_line else render
        text = "\n".join(show(one) for one in made)
        if update:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert file.exists(), f"no {file}: look at it, then run with --update-golden"
        assert text == file.read_text(encoding="utf-8")

    return compare
