"""Requests of an exchange, as text that a person can read."""

import re
from urllib.parse import parse_qsl

from assets.providers.base import Exchange, Request
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
