"""Private networks and proxies."""

import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from assets.providers.base import Request
from assets.providers.replies import Phase, classify
from assets.transport.http import HttpTransport
from support.raw_server import Server

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

Start = Callable[..., Server]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers and ends them with the test."""
    servers: list[Server] = []

    def begin(talk: Any, tls: ssl.SSLContext | None = None) -> Server:
        server = Server(lambda connection: talk(server, connection), tls)
        servers.append(server)
        return server

    yield begin
    for server in servers:
        server.close()


def send_ok(server: Server, connection: socket.socket) -> None:
    if server.read(connection):
        connection.sendall(OK)


@pytest.fixture
def shop_resolves_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name shop.example leads to this machine."""
    look_up = socket.getaddrinfo

    def found(host: Any, *more: Any, **named: Any) -> Any:
        return look_up("127.0.0.1" if host == "shop.example" else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", found)


def request(url: str) -> Request:
    return Request(
        method="POST",
        url=f"{url}/orders",
        headers={"Authorization": "planted"},
        body=b"{}",
        path_template="/orders",
    )


@pytest.mark.usefixtures("shop_resolves_here")
def test_nothing_is_sent_to_a_public_name_in_a_private_network(
    start: Start,
) -> None:
    server = start(send_ok)
    url = server.url.replace("127.0.0.1", "shop.example")
    host = url.partition("//")[2]
    reply = HttpTransport([host]).send(request(url))
    assert (reply.phase, reply.error) == (Phase.CONNECTING, "private_address")
    assert classify(reply, resend_is_safe=False).verdict == "configuration"
    assert server.seen == []
    assert HttpTransport([host], allow_private=True).send(request(url)).status == 200


@pytest.mark.usefixtures("shop_resolves_here")
def test_a_proxy_sees_the_whole_request_of_an_http_address(start: Start) -> None:
    proxy = start(send_ok)
    transport = HttpTransport(["shop.example"], proxy=proxy.url)
    assert transport.send(request("http://shop.example")).status == 200
    assert proxy.seen[0].startswith(b"POST http://shop.example/orders")


def test_a_proxy_that_refuses_the_tunnel_saw_nothing_of_the_request(
    start: Start,
) -> None:
    def refuse(server: Server, connection: socket.socket) -> None:
        server.read(connection)
        connection.sendall(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")

    proxy = start(refuse)
    transport = HttpTransport(["shop.example"], proxy=proxy.url)
    reply = transport.send(request("https://shop.example"))
    assert reply.phase is Phase.CONNECTING
    assert proxy.seen[0].startswith(b"CONNECT shop.example:443")
    assert b"planted" not in b"".join(proxy.seen)


def test_through_a_tunnel_the_request_counts_as_sent_only_inside_it(
    start: Start, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("shop.example").configure_cert(context)
    inside: list[bytes] = []

    def tunnel(server: Server, connection: socket.socket) -> None:
        server.read(connection)
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with context.wrap_socket(connection, server_side=True) as private:
            inside.append(private.recv(65_536))

    proxy = start(tunnel)
    transport = HttpTransport(
        ["shop.example"], proxy=proxy.url, ca_bundle=tmp_path / "ca.pem"
    )
    reply = transport.send(request("https://shop.example"))
    assert inside[0].startswith(b"POST /orders")
    assert (reply.phase, reply.status) == (Phase.WAITING, None)
    assert b"planted" not in b"".join(proxy.seen)
