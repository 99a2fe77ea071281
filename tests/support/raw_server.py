"""A server that speaks bytes, so that it can misbehave in any way."""

import json
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from support.invariants import Seen
from support.waiting import wait_until

Behaviour = Callable[[socket.socket], None]


class Server:
    """A raw server on loopback; `behaviour` is handed each connection."""

    def __init__(self, behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.behaviour = behaviour
        self.tls = tls
        self.seen: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http{'s' if tls else ''}://{self.host}"
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def read(self, connection: socket.socket) -> bytes:
        """Read one request with its body; empty at the end of the connection."""
        got = b""
        while b"\r\n\r\n" not in got:
            piece = connection.recv(65536)
            if not piece:
                return b""
            got += piece
        head, _, body = got.partition(b"\r\n\r\n")
        told = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        length = int(told or 0)
        while len(body) < length:
            body += connection.recv(65536)
        self.seen.append(head + b"\r\n\r\n" + body)
        return self.seen[-1]

    def wait_for(self, requests: int) -> None:
        """Return when so many requests were read; a client may be gone by then."""
        wait_until(lambda: len(self.seen) >= requests, "a request", pause=0.002)

    def stop_listening(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self) -> None:
        self.stop_listening()
        for thread in self._threads:
            thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            talk = threading.Thread(target=self._talk, args=(connection,))
            talk.start()
            self._threads.append(talk)

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            try:
                if self.tls is not None:
                    connection = self.tls.wrap_socket(connection, server_side=True)
                self.behaviour(connection)
            except OSError:
                return
            finally:
                connection.close()


ends_by_itself = pytest.mark.timeout(25)
"""Of a server that never lets go; what waits for it longest unless told waits 30 s."""


def stays_silent(connection: socket.socket) -> None:
    """Say nothing until the client has hung up."""
    connection.settimeout(None)
    connection.recv(1)


def drips(head: bytes) -> Behaviour:
    """Say `head`, then one byte after the other until the client has hung up."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    return drip


def reset(connection: socket.socket) -> None:
    linger = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()


@dataclass(frozen=True)
class Act:
    """What a bookkeeper does with one request that it has read whole.

    Attributes:
        wire: Bytes that it says, or what it does to the connection instead.
        says: What a whole reply means for its orders, as a `Verdict`; None: it says
            nothing that could be understood.
        applies: It counts the orders; where it dedupes, each of them once.
        keeps: It waits for another request on the same connection.
        tells: What the answer to a question says of orders, by order id.
    """

    wire: bytes | Behaviour
    says: str | None = None
    applies: bool = False
    keeps: bool = False
    tells: Mapping[str, str] = field(default_factory=dict)


def http(status: int, body: bytes | str = b"", **headers: object) -> bytes:
    """A whole reply; `Retry_After=2` becomes a header."""
    plain = body.encode() if isinstance(body, str) else body
    named = {"Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(plain)}"]
    lines += [f"{name}: {value}" for name, value in named.items()]
    return "\r\n".join([*lines, "", ""]).encode() + plain


def say(status: int, body: bytes | str, says: str | None, **headers: object) -> Act:
    """Reply in full and count nothing."""
    return Act(http(status, body, **headers), says, keeps=True)


TAKEN = Act(http(200, '{"status": "accepted"}'), "accepted", applies=True, keeps=True)
KNOWN = say(409, '{"status": "known"}', "duplicate")

Script = Callable[[str, int], Act]
"""Order id (the first one of a request) and which request about it -> what is done."""


def always(act: Act) -> Script:
    return lambda _order, _time: act


def in_turn(*acts: Act) -> Script:
    """The first requests about each order meet these; later ones the last of them."""
    return lambda _order, time: acts[min(time, len(acts)) - 1]


def orders_in_json(body: bytes) -> Sequence[str]:
    return list(json.loads(body)["orders"])


@dataclass
class Books:
    """What a bookkeeper saw and counted.

    Attributes:
        journal: Every request that arrived whole, oldest first.
        counted: How often each order took effect.
    """

    journal: list[Seen] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)

    @property
    def orders(self) -> list[str]:
        """The orders of all requests, oldest first."""
        return [one for seen in self.journal for one in seen.orders]


class Bookkeeper(Server):
    """A provider: counts orders, answers by a script, keeps a journal.

    Attributes:
        busy: Requests in work at this moment.

    Args:
        script: What becomes of each request; None: it is taken.
        dedupes: It counts an order once and says of a repeat that it is known.
        orders_of: Reads the order ids in a body.
        clock: By which the journal is kept.
        tls: For https.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        dedupes: bool = True,
        orders_of: Callable[[bytes], Sequence[str]] = orders_in_json,
        clock: Callable[[], datetime | None] = lambda: None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.script = script or always(TAKEN)
        self.dedupes = dedupes
        self.orders_of = orders_of
        self.books = Books()
        self._clock = clock
        self._asked: Counter[str] = Counter()
        self.busy = 0
        self._lock = threading.Lock()
        super().__init__(self._keep_books, tls)

    def _keep_books(self, connection: socket.socket) -> None:
        while request := self.read(connection):
            act = self._enter(request)
            try:
                if callable(act.wire):
                    act.wire(connection)
                else:
                    connection.sendall(act.wire)
            finally:
                with self._lock:
                    self.busy -= 1
            if not act.keeps:
                return

    def _enter(self, request: bytes) -> Act:
        head, _, body = request.partition(b"\r\n\r\n")
        asks = head.startswith(b"GET")
        with self._lock:
            self.busy += 1
            orders = [] if asks else list(self.orders_of(body))
            subject = head.split(b" ")[1].decode() if asks else orders[0]
            self._asked[subject] += 1
            act = self.script(subject, self._asked[subject])
            if self.dedupes and act.applies and self.books.counted[subject]:
                act = KNOWN if act.says else Act(act.wire)
            if asks:
                self._write(act, act.tells, body, asks=True)
            else:
                said = dict.fromkeys(orders, act.says) if act.says else {}
                self._write(act, said, body, orders)
        return act

    def _write(
        self,
        act: Act,
        answered: Mapping[str, str],
        body: bytes,
        orders: Collection[str] = (),
        *,
        asks: bool = False,
    ) -> None:
        applied = orders if act.applies else ()
        self.books.counted.update(applied)
        self.books.journal.append(
            Seen(
                orders=list(answered) if asks else orders,
                body=body,
                applied=applied,
                answered=answered,
                at=self._clock(),
                asks=asks,
            )
        )
