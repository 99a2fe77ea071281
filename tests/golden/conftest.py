"""The exact requests that named orders must give, readable by a person.

`pytest --update-golden` writes the files anew; a changed file is a changed payload and
has to be looked at.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from support.impact_account import line

from assets.providers.base import Exchange, Request
from assets.providers.conversion import Conversion, Item
from assets.providers.replies import Reply


def render(request: Request, *, spread: bool = False) -> str:
    """The request as text: line, headers, body; form fields one a line, decoded.

    Args:
        request: What is sent.
        spread: Below the bytes of a JSON body, the same over several lines.
    """
    headers = [f"{name}: {value}" for name, value in sorted(request.headers.items())]
    return "\n".join(
        [
            f"{request.method} {request.url}",
            *headers,
            *("", _body(request), ""),
            *([spread_json(request.body.decode("utf-8")), ""] if spread else []),
        ]
    )


def spread_json(text: str) -> str:
    """JSON over several lines, every value as it was written.

    What holds nothing but plain values stands on one line.
    """
    lines = [""]
    for token in re.findall(_TOKEN, text):
        depth = len(lines[-1]) - len(lines[-1].lstrip())
        if token in "[{":
            lines[-1] += token
            lines.append(" " * (depth + 2))
        elif token in "]}":
            lines.append(" " * (depth - 2) + token)
        elif token == ",":
            lines[-1] += token
            lines.append(" " * depth)
        else:
            lines[-1] += ": " if token == ":" else token
    return "\n".join(lines)


_PLAIN = r'(?:"(?:\\.|[^"\\])*"|[^\s"{}\[\],:]+)'
_PAIR = rf"(?:{_PLAIN}:)?{_PLAIN}"
_TOKEN = rf"\{{{_PAIR}(?:,{_PAIR})*\}}|\[{_PLAIN}(?:,{_PLAIN})*\]|{_PLAIN}|[{{}}\[\],:]"


def _body(request: Request) -> str:
    text = request.body.decode("utf-8")
    if "urlencoded" not in dict(request.headers).get("Content-Type", ""):
        return text
    fields = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    return "\n".join([text, "", *(f"{name} = {value}" for name, value in fields)])


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
def golden(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Compares requests with `tests/golden/<provider>/<name>.txt`."""
    update = request.config.getoption("--update-golden")

    def compare(name: str, made: list[Request], *, spread: bool = False) -> None:
        file = Path(__file__).parent / f"{name}.txt"
        text = "\n".join(render(one, spread=spread) for one in made)
        if update:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert file.exists(), f"no {file}: look at it, then run with --update-golden"
        assert text == file.read_text(encoding="utf-8")

    return compare


@pytest.fixture
def reference_order(
    conversion: Callable[..., Conversion], item: Callable[..., Item]
) -> Conversion:
    """The order of impact.com's reference."""
    balls = {
        "sku": "78909",
        "name": "Tennis Balls",
        "category": "Sports",
        "quantity": Decimal(6),
        "unit_price": Decimal("3.14"),
    }
    anvil = {"sku": "12345", "name": "Anvil", "category": "Blacksmithing"}
    return conversion(
        order_id="9217374917471",
        completed_at=datetime(2023, 12, 2, 7, 55, 24, tzinfo=UTC),
        promo_code="10OFF-ROCKET",
        discount=Decimal(5),
        shipping=Decimal(0),
        tax=Decimal(0),
        customer_postcode="93101",
        customer_email_sha1="7076656fee27c02fd8a1cbd17828c9cf28f2c250",
        items=(line(item, 1, "10", **anvil), line(item, 2, "18.84", **balls)),
    )
