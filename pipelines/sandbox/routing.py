"""From the target of a request to the operation that answers it."""

import re
from urllib.parse import parse_qsl, unquote

from pipelines.sandbox.exchange import Operation, Provider, Reply


def split_target(target: str) -> tuple[str, str, dict[str, str]]:
    """Provider, path below its prefix, and query."""
    path, _, query = target.partition("?")
    name, slash, rest = path.removeprefix("/").partition("/")
    return name, slash + unquote(rest), dict(parse_qsl(query))


def find_operation(
    provider: Provider, method: str, path: str
) -> tuple[Operation, dict[str, str]]:
    """The operation at an address, and what the address names.

    Where nothing is offered, an operation that refuses: 405 if another method is
    offered there, else 404.
    """
    status, message = 404, "nothing is at this address"
    for operation in provider.operations:
        match = operation.path.fullmatch(path)
        if match and operation.method == method:
            return operation, match.groupdict()
        if match:
            status, message = 405, f"expected {operation.method} at this address"
    refusal = Reply(status, provider.failure(status, message))
    return Operation(method, _NOWHERE, lambda _: refusal, lambda _: refusal), {}


_NOWHERE = re.compile("/(?P<nowhere>.*)")
