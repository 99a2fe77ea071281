"""`attribution check` connects to each provider as a run would, and asks nothing."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.checkup import connections
from pipelines.checkup.checkup import Finding, check_up
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
    """Starts servers that note what they are told, and ends them with the test."""
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


def looked(config: Config, **options: Any) -> Finding | None:
    """What is found of the connection to the shop."""
    found = [one for one in check_up(config, **options) if "connection" in one.subject]
    assert [one.subject for one in found] in ([], ["connection shop"])
    return found[0] if found else None


def refusal(config: Config) -> str:
    found = looked(config)
    assert found is not None
    assert not found.is_good
    assert found.text.startswith("Connecting failed for shop: expected ")
    return found.text


def lead(monkeypatch: pytest.MonkeyPatch, to: Callable[..., Any]) -> None:
    """Names are looked up by `to`; addresses as ever."""
    look_up = socket.getaddrinfo

    def found(host: Any, *more: Any, **named: Any) -> Any:
        known = str(host).replace(".", "").isdigit()
        return look_up(host if known else to(host), *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.fixture
def shop_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name leads to this machine."""
    lead(monkeypatch, lambda _host: "127.0.0.1")


def test_a_provider_that_answers_is_asked_nothing(
    tmp_path: Path, start: Start, trusted: Authority
) -> None:
    server = start(trusted.good())
    found = looked(configured(tmp_path, server.url, 'ca_bundle = "trusted.pem"'))
    assert found is not None
    assert found.is_good
    assert found.text == f"{server.host} answers; no request was made"
    server.close()
    assert (server.connections, server.seen) == (1, [b""])


def test_the_simulator_without_tls_is_connected_to_as_well(
    tmp_path: Path, start: Start
) -> None:
    server = start()
    found = looked(configured(tmp_path, server.url))
    assert found is not None
    assert found.is_good
    server.close()
    assert (server.connections, server.seen) == (1, [b""])


@pytest.mark.parametrize("wrong", ["self_signed", "expired", "wrong_host"])
def test_a_certificate_that_proves_nothing_is_told(
    tmp_path: Path, start: Start, trusted: Authority, wrong: str
) -> None:
    server = start(getattr(trusted, wrong)())
    text = refusal(configured(tmp_path, server.url, 'ca_bundle = "trusted.pem"'))
    assert "got a certificate that cannot be verified. Check its address" in text
    assert "`ca_bundle`" in text


def test_a_certificate_is_not_trusted_where_no_authority_is_named(
    tmp_path: Path, start: Start, trusted: Authority
) -> None:
    text = refusal(configured(tmp_path, start(trusted.good()).url))
    assert "got a certificate that cannot be verified" in text


@pytest.mark.usefixtures("shop_is_here")
@pytest.mark.parametrize(
    ("host", "action"),
    [
        ("127.0.0.1", "Start `attribution sandbox`"),
        ("shop.example", "Check its address and the firewall"),
    ],
)
def test_a_refused_port_is_told(
    tmp_path: Path, start: Start, host: str, action: str
) -> None:
    server = start()
    server.close()
    netloc = server.host.replace("127.0.0.1", host)
    text = refusal(configured(tmp_path, f"https://{netloc}"))
    assert f"expected {netloc} to answer, got a refused connection. {action}" in text


def test_an_unknown_name_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody_knows(_host: str) -> str:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    lead(monkeypatch, nobody_knows)
    text = refusal(configured(tmp_path, "https://shop.example/secret-path"))
    assert "expected shop.example to answer, got a name that nobody knows." in text
    assert "secret-path" not in text


@pytest.mark.usefixtures("shop_is_here")
def test_a_name_that_leads_into_the_own_network_is_told(
    tmp_path: Path, start: Start, trusted: Authority
) -> None:
    server = start(trusted.wrong_host())
    url = server.url.replace("127.0.0.1", "shop.example")
    trust = 'ca_bundle = "trusted.pem"\n'
    text = refusal(configured(tmp_path, url, trust))
    assert "got an address in a private network" in text
    allowed = looked(configured(tmp_path, url, f"{trust}allow_private_hosts = true"))
    assert allowed is not None
    assert allowed.is_good


def test_who_never_answers_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS that nobody speaks: the connection is there, its handshake is not."""
    monkeypatch.setattr(connections, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        text = refusal(configured(tmp_path, url))
    assert "got no answer in 0.2 seconds" in text


def test_the_look_up_of_a_name_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def hangs(_host: str) -> str:
        released.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "later")

    lead(monkeypatch, hangs)
    monkeypatch.setattr(connections, "CONNECT_SECONDS", 0.2)
    text = refusal(configured(tmp_path, "https://shop.example"))
    released.set()
    assert "got no answer in 0.2 seconds" in text


@pytest.mark.parametrize("settings", ["enabled = false", 'channel = "csv"'])
def test_nobody_is_connected_to_whom_no_run_would_connect_to(
    tmp_path: Path, settings: str
) -> None:
    url = "http://127.0.0.1:1"
    assert looked(configured(tmp_path, url, settings=settings)) is None


def test_nothing_is_connected_to_offline(tmp_path: Path) -> None:
    assert looked(configured(tmp_path, "http://127.0.0.1:1"), offline=True) is None


def test_a_proxy_is_asked_for_the_way_and_for_nothing_else(
    tmp_path: Path, start: Start
) -> None:
    proxy = start()
    proxy.behaviour = lambda connection: proxy.seen.append(connection.recv(7))
    settings = configured(tmp_path, "https://shop.example", f'proxy = "{proxy.url}"')
    assert "Check its address and `proxy`." in refusal(settings)
    proxy.close()
    assert proxy.seen == [b"CONNECT"]


@pytest.mark.parametrize("junk", ["", "no certificate"])
def test_a_ca_bundle_without_certificates_is_named(
    tmp_path: Path, start: Start, junk: str
) -> None:
    bundle = tmp_path / "junk.pem"
    bundle.write_text(junk)
    config = configured(tmp_path, start().url, f'ca_bundle = "{bundle}"')
    told = refusal(config)
    assert f"expected ca_bundle {bundle} to be a file of certificates" in told
    assert "got no certificate in it. Correct ca_bundle." in told


def test_a_ca_bundle_that_is_gone_is_named(tmp_path: Path, start: Start) -> None:
    bundle = tmp_path / "gone.pem"
    bundle.touch()
    config = configured(tmp_path, start().url, f'ca_bundle = "{bundle}"')
    bundle.unlink()
    assert "got none. Correct ca_bundle." in refusal(config)
