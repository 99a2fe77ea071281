"""A provider on loopback that records every request and counts each order."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.invariants import SeenRequest
from support.waiting import wait_until


class CountingServer:
    """Replies over HTTP, in the process of the test, which is not killed.

    Args:
        drops_repeats: It knows an order again and answers `duplicate`; else each
            request counts.
        latency: Seconds from the count to the answer.

    Attributes:
        journal: Every whole request; what was answered is filled in before the first
            byte of the answer leaves.
        on_request: Called with the number of a request once it counted, before the
            answer; true keeps the answer back for good.
        may_answer: No answer leaves while it is clear.
    """

    def __init__(self, *, drops_repeats: bool, latency: float = 0.003) -> None:
        self.drops_repeats = drops_repeats
        self.latency = latency
        self.journal: list[SeenRequest] = []
        self.effects: Counter[str] = Counter()
        self.on_request: Callable[[int], bool] = lambda _number: False
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._lock = threading.Lock()
        self._talks = 0
        self._http = _Listener(("127.0.0.1", 0), _handler(self))
        self.host = f"127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self.may_answer.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def wait_for(self, requests: int) -> None:
        """Return when so many requests were seen."""
        wait_until(lambda: len(self.journal) >= requests, "a request", pause=0.002)

    def wait_until_quiet(self) -> None:
        """Return when everything that was ever sent has been read."""
        # Accepted in turn: when this connection is, so were all before it.
        with socket.create_connection(self._http.server_address[:2]) as last:  # type: ignore[arg-type]
            last.sendall(b"GET / HTTP/1.0\r\n\r\n")
            last.recv(1)
        wait_until(lambda: self._http.talks == 0, "the last request", pause=0.002)

    def take(self, body: bytes) -> SeenRequest:
        """Count a request."""
        orders = orders_in(body)
        with self._lock:
            new = [
                one for one in orders if not (self.drops_repeats and self.effects[one])
            ]
            self.effects.update(new)
            seen = SeenRequest(orders=orders, body=body, applied=new, answered={})
            self.journal.append(seen)
            number = len(self.journal)
        if self.on_request(number):
            return seen
        time.sleep(self.latency)
        self.may_answer.wait()
        seen.answered.update(  # type: ignore[attr-defined]
            {one: "accepted" if one in new else "duplicate" for one in orders}
        )
        return seen


def orders_in(body: bytes) -> list[str]:
    """The order ids of a request, in the engine's form or in Convert's."""
    said = json.loads(body)
    if "orders" in said:
        return list(said["orders"])
    return [
        fact["value"]
        for visitor in said["visitors"]
        for one in visitor["events"]
        for fact in one["data"]["goalData"]
        if fact["key"] == "transactionId"
    ]


class _Listener(ThreadingHTTPServer):
    request_queue_size = 128
    talks = 0

    def process_request(self, request: Any, client_address: Any) -> None:
        with _counting:
            self.talks += 1
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with _counting:
                self.talks -= 1

    def handle_error(self, *_: Any) -> None:
        """A client that was killed in the middle of a word is no error here."""


_counting = threading.Lock()


def _handler(server: CountingServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._reply({})

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:
                self.close_connection = True
                return
            seen = server.take(body)
            if not seen.answered:
                self.close_connection = True
                return
            with suppress(OSError):
                self._reply(dict(seen.answered))

        def _reply(self, words: dict[str, str]) -> None:
            body = json.dumps(words).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    return Handler
