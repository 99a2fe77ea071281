"""Finds the operation that handles a request."""

import re
from urllib.parse import parse_qsl, unquote

from pipelines.sandbox.messages import Reply
from pipelines.sandbox.provider import Operation, Provider


def split_target(target: str) -> tuple[str, str, dict[str, str]]:
    """Return the provider, the path below its prefix, and the query."""
    path, _, query = target.partition("?")
    name, slash, rest = path.removeprefix("/").partition("/")
    return name, slash + unquote(rest), dict(parse_qsl(query))


def find_operation(
    provider: Provider, method: str, path: str
) -> tuple[Operation, dict[str, str]]:
    """Return the operation at an address, and the named groups of the path.

    If there is none, the result is an operation that refuses with 405 if the address
    has another method, else with 404.
    """
    status, message = 404, "nothing is at this address"
    for operation in provider.operations:
        match = operation.path.fullmatch(path)
        if match and operation.method == method:
            return operation, match.groupdict()
        if match:
            status, message = 405, f"expected {operation.method} at this address"
    refusal = Reply(status, provider.failure(status, message))
    return Operation(method, _UNKNOWN_PATH, lambda _: refusal, lambda _: refusal), {}


_UNKNOWN_PATH = re.compile("/(?P<nowhere>.*)")
