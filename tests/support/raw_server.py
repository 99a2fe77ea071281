"""A server that sends raw bytes, so that it can misbehave in any way."""

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

from support.invariants import SeenRequest
from support.waiting import wait_until

Behaviour = Callable[[socket.socket], None]


class Server:
    """A raw server on loopback; `behaviour` gets each connection."""

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
        """Return when this many requests were read. The client may be gone then."""
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
            thread = threading.Thread(target=self._handle, args=(connection,))
            thread.start()
            self._threads.append(thread)

    def _handle(self, connection: socket.socket) -> None:
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
"""For a server that never closes: the longest default timeout is 30 s."""


def stays_silent(connection: socket.socket) -> None:
    """Send nothing until the client closes the connection."""
    connection.settimeout(None)
    connection.recv(1)


def drips(head: bytes) -> Behaviour:
    """Send `head`, then byte after byte until the client closes the connection."""

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
class Response:
    """What a provider server does with one request that it has read whole.

    Attributes:
        wire: The bytes that it sends, or what it does to the connection instead.
        verdict: What a whole reply means for its orders, as a `Verdict`; None: nothing
            that could be understood.
        counts: Whether it counts the orders; where it dedupes, each of them once.
        keep_alive: Whether it waits for another request on the same connection.
        statuses: What the reply to a question says of orders, by order id.
    """

    wire: bytes | Behaviour
    verdict: str | None = None
    counts: bool = False
    keep_alive: bool = False
    statuses: Mapping[str, str] = field(default_factory=dict)


def http(status: int, body: bytes | str = b"", **headers: object) -> bytes:
    """A whole reply; `Retry_After=2` becomes a header."""
    plain = body.encode() if isinstance(body, str) else body
    named = {"Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(plain)}"]
    lines += [f"{name}: {value}" for name, value in named.items()]
    return "\r\n".join([*lines, "", ""]).encode() + plain


def respond(
    status: int, body: bytes | str, verdict: str | None, **headers: object
) -> Response:
    """Send a whole reply and count nothing."""
    return Response(http(status, body, **headers), verdict, keep_alive=True)


TAKEN = Response(
    http(200, '{"status": "accepted"}'), "accepted", counts=True, keep_alive=True
)
KNOWN = respond(409, '{"status": "known"}', "duplicate")

Script = Callable[[str, int], Response]
"""The first order id of a request, and which request about it -> the response."""


def always(response: Response) -> Script:
    return lambda _order, _time: response


def in_turn(*responses: Response) -> Script:
    """The requests about each order get these in turn; later ones get the last one."""
    return lambda _order, time: responses[min(time, len(responses)) - 1]


def orders_in_json(body: bytes) -> Sequence[str]:
    return list(json.loads(body)["orders"])


@dataclass
class RequestLog:
    """What a provider server received and counted.

    Attributes:
        journal: Every request that arrived whole, oldest first.
        counted: How often each order was counted.
    """

    journal: list[SeenRequest] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)

    @property
    def orders(self) -> list[str]:
        """The orders of all requests, oldest first."""
        return [one for seen in self.journal for one in seen.orders]


class ProviderServer(Server):
    """A provider: counts orders, replies by a script, keeps a journal.

    Attributes:
        busy: Requests in work at this moment.

    Args:
        script: Returns the response to each request; None: all are accepted.
        dedupes: It counts an order once and replies to a repeat that it is known.
        orders_of: Reads the order ids in a body.
        clock: The time in the journal.
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
        self.log = RequestLog()
        self._clock = clock
        self._asked: Counter[str] = Counter()
        self.busy = 0
        self._lock = threading.Lock()
        super().__init__(self._answer_requests, tls)

    def _answer_requests(self, connection: socket.socket) -> None:
        while request := self.read(connection):
            response = self._enter(request)
            try:
                if callable(response.wire):
                    response.wire(connection)
                else:
                    connection.sendall(response.wire)
            finally:
                with self._lock:
                    self.busy -= 1
            if not response.keep_alive:
                return

    def _enter(self, request: bytes) -> Response:
        head, _, body = request.partition(b"\r\n\r\n")
        asks = head.startswith(b"GET")
        with self._lock:
            self.busy += 1
            orders = [] if asks else list(self.orders_of(body))
            subject = head.split(b" ")[1].decode() if asks else orders[0]
            self._asked[subject] += 1
            response = self.script(subject, self._asked[subject])
            if self.dedupes and response.counts and self.log.counted[subject]:
                response = KNOWN if response.verdict else Response(response.wire)
            if asks:
                self._write(response, response.statuses, body, asks=True)
            else:
                said = (
                    dict.fromkeys(orders, response.verdict) if response.verdict else {}
                )
                self._write(response, said, body, orders)
        return response

    def _write(
        self,
        response: Response,
        answered: Mapping[str, str],
        body: bytes,
        orders: Collection[str] = (),
        *,
        asks: bool = False,
    ) -> None:
        applied = orders if response.counts else ()
        self.log.counted.update(applied)
        self.log.journal.append(
            SeenRequest(
                orders=list(answered) if asks else orders,
                body=body,
                applied=applied,
                answered=answered,
                at=self._clock(),
                asks=asks,
            )
        )
