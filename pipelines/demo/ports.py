"""The ports of the sandbox and the webserver; a free one if the usual is taken."""

import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from pipelines.configuration.sandbox_port import SANDBOX_PORT, recorded
from pipelines.sandbox.listening import (
    HOST,
    is_taken,
    is_taken_on_ipv6,
    listen_on_first,
    port_of,
)

UI_PORT = 3000
_UI_PORT_VARIABLE = "DAGSTER_WEBSERVER_PORT"


def sandbox_listener() -> socket.socket:
    """Listen on the sandbox's usual port, on its last one, or on any free port.

    The last port is preferred to a free one, so that the port rarely changes.
    """
    before = recorded()
    return listen_on_first([SANDBOX_PORT, *([before.port] if before else [])])


def moved(port: int) -> str | None:
    """Return a message if this is not the usual port of the sandbox, else None."""
    if port == SANDBOX_PORT:
        return None
    return f"Port {SANDBOX_PORT} is in use, so the sandbox listens on port {port}."


def wanted_ui_port(environ: Mapping[str, str]) -> int:
    """Return the webserver's port: that of Dagster's variable, or the default."""
    named = environ.get(_UI_PORT_VARIABLE, "")
    is_port = named.isdecimal() and 0 < int(named) < 2**16
    return int(named) if is_port else UI_PORT


@contextmanager
def reserved_ui_port(wanted: int) -> Iterator[int]:
    """Reserve a port for the webserver, which binds the port itself.

    Args:
        wanted: The preferred port. If it is taken, a free one is reserved.

    Yields:
        The port.
    """
    with ExitStack() as stack:
        port = _reserve(stack, wanted)
        while port is None:
            port = _reserve(stack, 0)
        yield port


def _reserve(stack: ExitStack, port: int) -> int | None:
    if is_taken_on_ipv6(port):
        return None
    with ExitStack() as attempt:
        tcp = attempt.enter_context(socket.socket())
        udp = attempt.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        # As long as this does not listen, Linux lets the webserver bind it as well.
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tcp.bind((HOST, port))
            # Another demo could bind the TCP port like this, but not the UDP port.
            udp.bind((HOST, port_of(tcp)))
        except OSError as wrong:
            if not is_taken(wrong):
                raise
            return None
        port = port_of(tcp)
        if sys.platform != "linux":
            tcp.close()
        stack.push(attempt.pop_all())
    return port
