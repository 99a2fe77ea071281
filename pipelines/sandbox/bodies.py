"""Parses request bodies: JSON and forms."""

import json
from urllib.parse import parse_qsl


def parse_json(body: bytes) -> object:
    """Parse JSON; return the text if it has NaN, infinities or duplicate names."""
    try:
        return json.loads(
            body.decode(), object_pairs_hook=_unique_names, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


def parse_form(body: bytes) -> object:
    """Parse a form; a name that is given twice has the list of its values."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
        )
    except ValueError:
        return body.decode(errors="replace")
    form: dict[str, object] = {}
    for name, value in pairs:
        earlier = form.get(name)
        if earlier is None:
            form[name] = value
        else:
            form[name] = [*(earlier if isinstance(earlier, list) else [earlier]), value]
    return form


def _unique_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = dict(pairs)
    if len(names) < len(pairs):
        message = "a name is given twice in one object"
        raise ValueError(message)
    return names


def _no_constant(name: str) -> object:
    message = f"{name} is not JSON"
    raise ValueError(message)
