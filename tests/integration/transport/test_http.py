"""The transport knows how far a request came, whatever the server does."""

import gzip
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from urllib3.exceptions import HTTPError

from assets.ledger.database import Database
from assets.providers.base import Request, ResendPolicy
from assets.providers.replies import UNSENT, Phase, Reply, Verdict, classify
from assets.transport.http import ForbiddenHostError, HttpTransport
from support.engine import DEDUPE, NEVER, Bench, FakeProvider, order
from support.raw_server import Server, drips, ends_by_itself, reset, stays_silent

HEAD = b"HTTP/1.1 200 OK\r\n"
OK = HEAD + b"Content-Length: 2\r\n\r\n{}"


Serve = Callable[..., Server]
Send = Callable[..., Reply]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers that send some bytes after each request, or run a function."""
    servers: list[Server] = []

    def start(said: bytes | Callable[[Server, socket.socket], None]) -> Server:
        def talk(connection: socket.socket) -> None:
            if callable(said):
                said(server, connection)
            elif server.read(connection):
                connection.sendall(said)

        server = Server(talk)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def send() -> Iterator[Send]:
    """Sends one request to a server; the same transport for the same server."""
    transports: dict[str, HttpTransport] = {}

    def to(server: Server, body: bytes = b'{"a":1}', **options: float) -> Reply:
        if server.host not in transports:
            transports[server.host] = HttpTransport([server.host], **options)  # type: ignore[arg-type]
        return transports[server.host].send(request(server.url, body))

    yield to
    for transport in transports.values():
        transport.close()


def request(url: str, body: bytes = b"{}") -> Request:
    return Request(
        method="POST",
        url=f"{url}/orders?key=1",
        headers={"Content-Type": "application/json"},
        body=body,
        path_template="/orders",
    )


def test_a_whole_reply_is_read(serve: Serve, send: Send) -> None:
    server = serve(b"HTTP/1.1 418 I\r\nX-One: 1\r\nContent-Length: 3\r\n\r\nabc")
    reply = send(server, b'{"price": 12.50}')
    assert (reply.phase, reply.status, reply.body) == (Phase.DONE, 418, b"abc")
    assert (reply.headers["x-one"], reply.error) == ("1", None)
    (seen,) = server.seen
    head, _, body = seen.partition(b"\r\n\r\n")
    assert body == b'{"price": 12.50}'
    assert head.startswith(b"POST /orders?key=1 HTTP/1.1")
    assert b"accept-encoding: identity" in head.lower()


def test_a_refused_connection_sent_nothing(serve: Serve, send: Send) -> None:
    server = serve(OK)
    server.stop_listening()
    reply = send(server)
    assert (reply.phase, reply.status) == (Phase.CONNECTING, None)


def test_an_unknown_name_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_names: object, **_more: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    reply = HttpTransport(["shop.invalid"]).send(request("http://shop.invalid"))
    assert reply.phase is Phase.CONNECTING
    assert "invalid" not in str(reply.error)


def closes(server: Server, connection: socket.socket) -> None:
    server.read(connection)


def resets(server: Server, connection: socket.socket) -> None:
    server.read(connection)
    reset(connection)


def is_silent(server: Server, connection: socket.socket) -> None:
    server.read(connection)
    stays_silent(connection)


@ends_by_itself
@pytest.mark.parametrize("fault", [closes, resets, is_silent])
def test_a_request_that_was_read_may_have_been_applied(
    serve: Serve, send: Send, fault: Callable[..., None]
) -> None:
    server = serve(fault)
    reply = send(server, read_seconds=0.4)
    assert (reply.phase, reply.status) == (Phase.WAITING, None)
    server.wait_for(1)
    assert (len(server.seen), server.connections) == (1, 1)


@pytest.mark.sampled(1)
@ends_by_itself
@pytest.mark.parametrize("head", [HEAD + b"X: ", HEAD + b"\r\n"])
def test_a_reply_that_drips_is_cut_and_never_called_whole(
    serve: Serve, send: Send, head: bytes
) -> None:
    def drip(server: Server, connection: socket.socket) -> None:
        server.read(connection)
        drips(head)(connection)

    server = serve(drip)
    reply = send(server, deadline_seconds=2)
    assert (reply.phase, reply.status) == (Phase.READING, 200)
    assert reply.error == "deadline"
    assert (len(server.seen), server.connections) == (1, 1)


def test_a_reset_inside_our_body_counts_as_sent(serve: Serve, send: Send) -> None:
    def reset_early(_server: Server, connection: socket.socket) -> None:
        connection.recv(1000)
        reset(connection)

    reply = send(serve(reset_early), b"x" * 20_000_000)
    assert reply.phase in {Phase.SENDING, Phase.WAITING}


def test_a_body_that_the_server_does_not_read_counts_as_sent(
    serve: Serve, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.transport.http.CONNECT_SECONDS", 0.3)

    def take_nothing(_server: Server, _connection: socket.socket) -> None:
        time.sleep(0.6)

    reply = send(serve(take_nothing), b"x" * 20_000_000)
    assert reply.phase is Phase.SENDING


ZIPPED = gzip.compress(os.urandom(500))
TORN = {
    "short body": HEAD + b"Content-Length: 9\r\n\r\n{}",
    "torn headers": HEAD + b"Content-Ty",
    "no end": HEAD + b"\r\n",
    "torn chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{}",
    "no chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "no zip": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "torn zip": HEAD
    + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(ZIPPED[:-8])
    + ZIPPED[:-8],
    "six zips": HEAD + b"Content-Encoding: " + b"gzip," * 6 + b"\r\n\r\n{}",
    "bomb": HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(10**8)),
    "too large": HEAD + b"\r\n" + b"x" * 10**6,
}


@pytest.mark.parametrize("said", TORN.values(), ids=TORN)
def test_a_torn_reply_is_not_done(serve: Serve, send: Send, said: bytes) -> None:
    reply = send(serve(said))
    assert (reply.phase, reply.status) == (Phase.READING, 200)
    assert reply.error
    assert len(reply.body) <= 64 * 1024


@pytest.mark.parametrize(
    "said",
    [
        b"hello\r\n\r\n",
        b"{}",
        b"HTTP/1.1 twohundred OK\r\n\r\n",
        HEAD + b"X: 1\r\n" * 300 + b"\r\n",
        HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_garbage_is_no_reply(serve: Serve, send: Send, said: bytes) -> None:
    reply = send(serve(said))
    assert (reply.phase, reply.status) == (Phase.WAITING, None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(serve: Serve, send: Send, status: int) -> None:
    other = serve(OK)
    to = f"HTTP/1.1 {status} Go\r\nLocation: {other.url}/\r\nContent-Length: 0\r\n\r\n"
    reply = send(serve(to.encode()))
    assert (reply.phase, reply.status) == (Phase.DONE, status)
    assert other.connections == 0


def test_nothing_is_taken_from_the_environment(
    serve: Serve, send: Send, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy, server = serve(OK), serve(OK)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login planted password planted\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert send(server).status == 200
    assert proxy.connections == 0
    assert b"authorization" not in server.seen[0].lower()


def test_a_connection_is_used_again(serve: Serve, send: Send) -> None:
    def answer_always(server: Server, connection: socket.socket) -> None:
        while server.read(connection):
            connection.sendall(OK)

    server = serve(answer_always)
    assert [send(server).status for _ in range(5)] == [200] * 5
    assert server.connections == 1


def test_a_connection_closed_between_requests_costs_no_request(
    serve: Serve, send: Send
) -> None:
    server = serve(OK)
    for number in range(3):
        assert send(server).phase is Phase.DONE
        time.sleep(0.05)
        assert (len(server.seen), server.connections) == (number + 1, number + 1)


def test_only_configured_hosts_are_spoken_to(serve: Serve) -> None:
    server = serve(OK)
    transport = HttpTransport(["127.0.0.1", "shop.example"])
    odd = (server.host, f"shop.example@{server.host}", f"shop.example\\@{server.host}")
    for host in odd:
        with pytest.raises(ForbiddenHostError):
            transport.send(request(f"http://{host}"))
    assert server.connections == 0


def test_no_library_s_exception_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = HttpTransport(["shop.example"])

    def fail(*_request: object, **_more: object) -> None:
        raise HTTPError("https://shop.example/?token=s3cret")

    monkeypatch.setattr(transport._adapter, "send", fail)
    reply = transport.send(request("https://shop.example"))
    assert (reply.phase, reply.error) == (Phase.NONE, "HTTPError")


@pytest.mark.parametrize(
    "headers",
    [{"X-Key": "\u201cabc\u201d"}, {"X-Key": "abc\n"}, {"X-Key": " abc"}, {"X\n": "a"}],
)
def test_what_no_request_can_carry_leaves_no_byte(
    serve: Serve, headers: dict[str, str]
) -> None:
    server = serve(OK)
    transport = HttpTransport([server.host])
    reply = transport.send(replace(request(server.url), headers=headers))
    transport.close()
    assert reply.phase in UNSENT
    assert reply.error == "unsendable_request"
    assert server.seen == []
    outcome = classify(reply, resend_is_safe=False)
    assert outcome.verdict is Verdict.CONFIGURATION


def test_a_certificate_that_proves_nothing_sees_no_payload(send: Send) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server = Server(lambda connection: server.read(connection) and None, context)
    try:
        reply = send(server)
    finally:
        server.close()
    assert (reply.phase, reply.error) == (Phase.CONNECTING, "certificate")
    assert server.seen == []


@pytest.mark.parametrize("policy", [DEDUPE, NEVER])
def test_a_request_to_a_foreign_host_is_recorded_as_unsent(
    database: Database, policy: ResendPolicy
) -> None:
    transport = HttpTransport(["shop.example"])
    bench = Bench(database, FakeProvider(resend=policy), transport)
    with pytest.raises(ForbiddenHostError):
        bench.run([order()])
    assert bench.states() == {"O1": "retryable"}
    assert bench.row()["first_sent_at"] is None
