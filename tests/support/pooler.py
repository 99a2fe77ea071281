"""A connection pooler, as stands before PostgreSQL in many clouds.

It hands each transaction to the session of the server that has been idle for longest,
so that two transactions of a client have two sessions. Sessions are never reset.
"""

import select
import socket
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal, NoReturn

from sqlalchemy.engine import make_url

SESSIONS = 3
Mode = Literal["transaction", "session", "statement", "one transaction"]
"""`one transaction`: as `transaction`, with one connection to the server in all."""
_HEADER = struct.Struct("!ci")
_ASKS_FOR_READY = frozenset({b"Q", b"S", b"F"})
_NO_TLS = 80877103


class EndedError(Exception):
    """The other side closed the connection."""


def _read(connection: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        piece = connection.recv(size - len(got))
        if not piece:
            raise EndedError
        got += piece
    return got


def _message(connection: socket.socket) -> tuple[bytes, bytes]:
    """Return the kind of the next message, and the whole message."""
    header = _read(connection, _HEADER.size)
    kind, length = _HEADER.unpack(header)
    return kind, header + _read(connection, length - 4)


def _start(client: socket.socket) -> bytes:
    """Return the first message of a client, which names user and database."""
    while True:
        head = _read(client, 8)
        length, code = struct.unpack("!ii", head)
        if code != _NO_TLS:
            return head + _read(client, length - 8)
        client.sendall(b"N")


def _refuse(client: socket.socket, why: bytes) -> NoReturn:
    fields = b"SFATAL\0C08P01\0M" + why + b"\0\0"
    client.sendall(_HEADER.pack(b"E", len(fields) + 4) + fields)
    raise EndedError


@dataclass
class Pooler:
    """A pooler on loopback.

    Args:
        port: The port of PostgreSQL.
        mode: What it keeps together in one session of the server.
    """

    port: int
    mode: Mode = "transaction"
    _idle: defaultdict[bytes, deque[socket.socket]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    _open: set[socket.socket] = field(default_factory=set)
    _busy: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def listen(self) -> int:
        """Take clients in a thread; return the port."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve).start()
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            self._close(one)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._keep(client)
            threading.Thread(target=self._handle, args=(client,)).start()

    def _keep(self, connection: socket.socket) -> None:
        # Without it, each small message waits for the other side to acknowledge one.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.add(connection)

    def _close(self, connection: socket.socket) -> None:
        self._open.discard(connection)
        self._busy.discard(connection)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def _login(self, start: bytes) -> tuple[socket.socket, bytes]:
        """Return a new session of the server, and what it said until it was ready."""
        server = socket.create_connection(("127.0.0.1", self.port))
        self._keep(server)
        server.sendall(start)
        kind, said = b"", b""
        while kind not in {b"Z", b"E"}:
            kind, message = _message(server)
            said += message
        return server, said

    def _take(self, client: socket.socket, start: bytes) -> socket.socket:
        if self.mode == "one transaction" and self._busy:
            _refuse(client, b"query_wait_timeout")
        with self._lock:
            idle = self._idle[start]
            server = idle.popleft() if len(idle) >= SESSIONS else None
        server = server or self._login(start)[0]
        self._busy.add(server)
        return server

    def _give_back(self, start: bytes, server: socket.socket) -> None:
        self._busy.discard(server)
        with self._lock:
            self._idle[start].append(server)

    def _handle(self, client: socket.socket) -> None:
        server = None
        try:
            start = _start(client)
            server, said = self._login(start)
            client.sendall(said)
            if self.mode != "session":
                self._close(server)
                server = None
            while True:
                kind, message = _message(client)
                if kind == b"X":
                    return
                server = server or self._take(client, start)
                self._transaction(client, server, kind, message)
                if self.mode != "session":
                    self._give_back(start, server)
                    server = None
        except (EndedError, OSError, ValueError):
            return
        finally:
            self._close(client)
            if server is not None:
                # The server rolls back what the client left open.
                self._close(server)

    def _transaction(
        self, client: socket.socket, server: socket.socket, kind: bytes, message: bytes
    ) -> None:
        """Forward a message, and all until the server is ready for a transaction."""
        awaited = self._ask(client, server, kind, message)
        while True:
            for one in select.select([client, server], [], [])[0]:
                kind, message = _message(one)
                if one is client:
                    awaited += self._ask(client, server, kind, message)
                    continue
                client.sendall(message)
                awaited -= kind == b"Z"
                if (kind, message[-1:]) == (b"Z", b"I") and not awaited:
                    return

    def _ask(
        self, client: socket.socket, server: socket.socket, kind: bytes, message: bytes
    ) -> bool:
        """Forward a message of the client; return whether `ready` is its answer."""
        self._refuse_blocks(client, message)
        server.sendall(message)
        return kind in _ASKS_FOR_READY

    def _refuse_blocks(self, client: socket.socket, message: bytes) -> None:
        if self.mode == "statement" and b"BEGIN" in message:
            _refuse(client, b"transaction blocks not allowed")


@contextmanager
def pooled(url: str, mode: Mode = "transaction") -> Iterator[str]:
    """Put a pooler before a database; yield the SQLAlchemy URL through the pooler."""
    direct = make_url(url)
    assert direct.port is not None
    pooler = Pooler(direct.port, mode)
    try:
        yield direct.set(port=pooler.listen()).render_as_string(hide_password=False)
    finally:
        pooler.close()
