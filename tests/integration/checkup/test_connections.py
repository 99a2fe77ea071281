"""`attribution check` connects to each provider as a run does, without a request."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.checkup import connections
from pipelines.checkup.checkup import Finding, run_checks
from pipelines.configuration.config import Config, load_config
from support.raw_server import Server
from support.tls import Authority

SETTINGS = """
timezone = "America/New_York"
start_date = 2026-01-01
warehouse_url = "sqlite://"
ledger_url = "sqlite://"
staging = "unused"
publish = false
{more}
[destinations.shop]
provider = "trackdesk"
base_url = "{url}"
tenant_id = "demo"
conversion_type_code = "sale"
{settings}
"""

Start = Callable[..., Server]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers that record what they receive; close them after the test."""
    servers: list[Server] = []

    def begin(tls: ssl.SSLContext | None = None) -> Server:
        server = Server(lambda connection: listen(server, connection), tls)
        servers.append(server)
        return server

    def listen(server: Server, connection: socket.socket) -> None:
        server.seen.append(connection.recv(1))

    yield begin
    for server in servers:
        server.close()


@pytest.fixture
def trusted(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def configured(folder: Path, url: str, more: str = "", settings: str = "") -> Config:
    path = folder / "destinations.toml"
    path.write_text(SETTINGS.format(url=url, more=more, settings=settings))
    return load_config(path, {})


def find(config: Config, **options: Any) -> Finding | None:
    """The finding about the connection to the shop, if there is one."""
    found = [
        one for one in run_checks(config, **options) if "connection" in one.subject
    ]
    assert [one.subject for one in found] in ([], ["connection shop"])
    return found[0] if found else None


def error_of(config: Config) -> str:
    found = find(config)
    assert found is not None
    assert not found.is_good
    assert found.text.startswith("Connecting failed for shop: expected ")
    return found.text


def resolve_names(monkeypatch: pytest.MonkeyPatch, to: Callable[..., Any]) -> None:
    """Resolve host names with `to`; leave addresses alone."""
    look_up = socket.getaddrinfo

    def found(host: Any, *more: Any, **named: Any) -> Any:
        known = str(host).replace(".", "").isdigit()
        return look_up(host if known else to(host), *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.fixture
def names_resolve_to_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve every host name to this machine."""
    resolve_names(monkeypatch, lambda _host: "127.0.0.1")


def test_a_check_connects_and_sends_no_request(
    tmp_path: Path, start: Start, trusted: Authority
) -> None:
    server = start(trusted.good())
    found = find(configured(tmp_path, server.url, 'ca_bundle = "trusted.pem"'))
    assert found is not None
    assert found.is_good
    assert found.text == f"{server.host} answers; no request was made"
    server.close()
    assert (server.connections, server.seen) == (1, [b""])


def test_a_server_without_tls_is_connected_to_as_well(
    tmp_path: Path, start: Start
) -> None:
    server = start()
    found = find(configured(tmp_path, server.url))
    assert found is not None
    assert found.is_good
    server.wait_for(1)
    server.close()
    assert (server.connections, server.seen) == (1, [b""])


@pytest.mark.parametrize("wrong", ["self_signed", "expired", "wrong_host"])
def test_an_invalid_certificate_is_reported(
    tmp_path: Path, start: Start, trusted: Authority, wrong: str
) -> None:
    server = start(getattr(trusted, wrong)())
    text = error_of(configured(tmp_path, server.url, 'ca_bundle = "trusted.pem"'))
    assert "got a certificate that cannot be verified. Check the address" in text
    assert "`ca_bundle`" in text


def test_a_certificate_of_an_unknown_authority_is_reported(
    tmp_path: Path, start: Start, trusted: Authority
) -> None:
    text = error_of(configured(tmp_path, start(trusted.good()).url))
    assert "got a certificate that cannot be verified" in text


@pytest.mark.usefixtures("names_resolve_to_loopback")
@pytest.mark.parametrize(
    ("host", "action"),
    [
        ("127.0.0.1", "Start `attribution sandbox`"),
        ("shop.example", "Check the address and the firewall"),
    ],
)
def test_a_refused_connection_is_reported(
    tmp_path: Path, start: Start, host: str, action: str
) -> None:
    server = start()
    server.close()
    netloc = server.host.replace("127.0.0.1", host)
    text = error_of(configured(tmp_path, f"https://{netloc}"))
    assert f"expected {netloc} to answer, got a refused connection. {action}" in text


def test_an_unknown_host_name_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_host: str) -> str:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    resolve_names(monkeypatch, fail)
    text = error_of(configured(tmp_path, "https://shop.example/secret-path"))
    assert "expected shop.example to answer, got an unknown host name." in text
    assert "secret-path" not in text


@pytest.mark.usefixtures("names_resolve_to_loopback")
def test_an_address_in_a_private_network_is_reported(
    tmp_path: Path, start: Start, trusted: Authority
) -> None:
    server = start(trusted.wrong_host())
    url = server.url.replace("127.0.0.1", "shop.example")
    trust = 'ca_bundle = "trusted.pem"\n'
    text = error_of(configured(tmp_path, url, trust))
    assert "got an address in a private network" in text
    allowed = find(configured(tmp_path, url, f"{trust}allow_private_hosts = true"))
    assert allowed is not None
    assert allowed.is_good


def test_a_tls_handshake_without_answer_times_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server accepts the connection and never begins the handshake."""
    monkeypatch.setattr(connections, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        text = error_of(configured(tmp_path, url))
    assert "got no answer in 0.2 seconds" in text


def test_a_name_look_up_that_hangs_times_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def hangs(_host: str) -> str:
        released.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "later")

    resolve_names(monkeypatch, hangs)
    monkeypatch.setattr(connections, "CONNECT_SECONDS", 0.2)
    text = error_of(configured(tmp_path, "https://shop.example"))
    released.set()
    assert "got no answer in 0.2 seconds" in text


@pytest.mark.parametrize("settings", ["enabled = false", 'channel = "csv"'])
def test_a_destination_without_connections_is_not_checked(
    tmp_path: Path, settings: str
) -> None:
    url = "http://127.0.0.1:1"
    assert find(configured(tmp_path, url, settings=settings)) is None


def test_offline_skips_the_connections(tmp_path: Path) -> None:
    assert find(configured(tmp_path, "http://127.0.0.1:1"), offline=True) is None


def test_only_a_connect_request_is_sent_to_a_proxy(
    tmp_path: Path, start: Start
) -> None:
    proxy = start()
    proxy.behaviour = lambda connection: proxy.seen.append(connection.recv(7))
    settings = configured(tmp_path, "https://shop.example", f'proxy = "{proxy.url}"')
    assert "Check the address and `proxy`." in error_of(settings)
    proxy.close()
    assert proxy.seen == [b"CONNECT"]


@pytest.mark.parametrize("junk", ["", "no certificate"])
def test_a_ca_bundle_without_certificates_is_reported(
    tmp_path: Path, start: Start, junk: str
) -> None:
    bundle = tmp_path / "junk.pem"
    bundle.write_text(junk)
    config = configured(tmp_path, start().url, f'ca_bundle = "{bundle}"')
    text = error_of(config)
    assert f"expected ca_bundle {bundle} to be a file of certificates" in text
    assert "got no certificate in it. Correct ca_bundle." in text


def test_a_missing_ca_bundle_is_reported(tmp_path: Path, start: Start) -> None:
    bundle = tmp_path / "gone.pem"
    bundle.touch()
    config = configured(tmp_path, start().url, f'ca_bundle = "{bundle}"')
    bundle.unlink()
    assert "got none. Correct ca_bundle." in error_of(config)
