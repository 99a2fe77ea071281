"""Taking a port of this machine. It is bound at once, so that no one else can take it.

A port is free if nothing listens on it, neither on 127.0.0.1 nor on all interfaces nor
on the loopback address of IPv6, to which `localhost` may lead.
"""

import errno
import socket
from collections.abc import Sequence

HOST = "127.0.0.1"
_HOST_IPV6 = "::1"


def listen(port: int) -> socket.socket:
    """Listen on a port; 0: on any that is free.

    Raises:
        OSError: Another program has it.
    """
    return socket.create_server((HOST, port), backlog=256)


def listen_on_first(ports: Sequence[int]) -> socket.socket:
    """Listen on the first of these ports that is free, else on any that is."""
    for port in ports:
        if is_taken_on_ipv6(port):
            continue
        try:
            return listen(port)
        except OSError as wrong:
            if not is_taken(wrong):
                raise
    return listen(0)


def port_of(listener: socket.socket) -> int:
    """Return the port that a socket is bound to."""
    port: int = listener.getsockname()[1]
    return port


def is_taken(wrong: OSError) -> bool:
    """Tell whether a port could not be bound because it is another program's."""
    # EACCES: Windows keeps ranges of ports from its Linux subsystem.
    return wrong.errno in {errno.EADDRINUSE, errno.EACCES}


def is_taken_on_ipv6(port: int) -> bool:
    """Tell whether a program listens on a port of IPv6 only."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((_HOST_IPV6, port))
    except OSError as wrong:
        return wrong.errno == errno.EADDRINUSE  # else the machine has no IPv6
    return False
