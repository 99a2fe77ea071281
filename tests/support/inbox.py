"""Takes messages on this machine, as a webhook and as a mail server."""

import json
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Inbox:
    """What arrived."""

    url: str
    texts: list[str] = field(default_factory=list)
    status: int = 200


@contextmanager
def _serving(server: Any) -> Iterator[int]:
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def webhook() -> Iterator[Inbox]:
    """A webhook that takes JSON; `status` is what it answers."""
    inbox = Inbox("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if inbox.status == 200:
                told = json.loads(body)
                inbox.texts.append(f"{told['title']}\n{told['message']}")
            self.send_response(inbox.status)
            self.end_headers()

        def log_message(self, *args: Any) -> None: ...

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        inbox.url = f"json://127.0.0.1:{port}/canary-hook-key"
        yield inbox


@contextmanager
def mail_server() -> Iterator[Inbox]:
    """A mail server that takes everything."""
    inbox = Inbox("")

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 here")
            for line in self.rfile:
                word = line[:4].upper().strip()
                if word == b"DATA":
                    self._say("354 go on")
                    inbox.texts.append(self._mail())
                self._say("221 bye" if word == b"QUIT" else "250 ok")
                if word == b"QUIT":
                    return

        def _mail(self) -> str:
            lines = iter(self.rfile.readline, b".\r\n")
            return b"".join(lines).decode()

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    with _serving(server) as port:
        inbox.url = (
            f"mailto://127.0.0.1:{port}/?from=exporter@shop.example"
            "&to=oncall@shop.example&mode=insecure"
        )
        yield inbox
