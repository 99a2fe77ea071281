"""The sandbox misbehaving on demand, seen by a client over HTTP."""

import time

import pytest
import requests

from pipelines.sandbox.faults import parse
from pipelines.sandbox.server import SandboxServer
from support.waiting import wait_until

IDME = {
    "event": "Order Completed",
    "eventId": "e-1",
    "timestamp": "2026-01-31T10:00:00Z",
    "conversionTrackingId": "ctid-1",
}


def send(
    server: SandboxServer, order_id: str = "O1", timeout: float = 10
) -> requests.Response:
    body = {**IDME, "properties": {"orderId": order_id}}
    return requests.post(f"{server.url}/idme/events", json=body, timeout=timeout)


def send_to_tenant(
    server: SandboxServer, tenant: str, order_id: str = "O1"
) -> requests.Response:
    cid = "0b5c6f0e-8e53-4f55-9d5a-0f3e6f6a1c11"
    body = {"cid": cid, "conversionTypeCode": "sale", "externalId": order_id}
    url = f"{server.url}/trackdesk/{tenant}/tracking/conversion/v1"
    return requests.post(url, json=body)


def applied(server: SandboxServer) -> bool:
    [entry] = server.sandbox.journal.entries
    assert entry.applied == bool(server.sandbox.effects("idme"))
    assert server.sandbox.requests("idme") == {"O1": 1}
    return entry.applied


def test_a_status_is_answered_and_nothing_applied() -> None:
    with SandboxServer(faults=["idme:status=503,7"]) as server:
        reply = send(server)
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "7")
    assert not applied(server)


def test_a_status_may_carry_a_message_in_the_provider_s_form() -> None:
    faults = ["trackdesk:status=403 conversion limit reached"]
    with SandboxServer(faults=faults) as server:
        reply = send_to_tenant(server, "acme")
    assert reply.status_code == 403
    assert reply.json()["message"] == "conversion limit reached"


def test_a_status_without_a_body_is_answered() -> None:
    with SandboxServer(faults=["idme:status=204"]) as server:
        reply = send(server)
    assert (reply.status_code, reply.content) == (204, b"")


def test_a_delayed_reply_comes_late_and_is_applied_at_once() -> None:
    with SandboxServer(faults=["idme:delay=0.3"]) as server:
        began = time.monotonic()
        assert send(server).status_code == 200
        assert time.monotonic() - began >= 0.3
    assert applied(server)


def test_a_client_that_gives_up_on_a_delay_was_applied() -> None:
    with SandboxServer(faults=["idme:delay=0.5"]) as server:
        with pytest.raises(requests.ReadTimeout):
            send(server, timeout=0.1)
        wait_until(lambda: bool(server.sandbox.journal.entries), "the request")
        assert applied(server)


@pytest.mark.parametrize(
    ("kind", "takes_effect"), [("lost_reply", True), ("drop", False)]
)
def test_a_cut_connection_shows_no_status(kind: str, *, takes_effect: bool) -> None:
    with SandboxServer(faults=[f"idme:{kind}"]) as server:
        with pytest.raises(requests.ConnectionError, match="without response"):
            send(server)
        assert server.sandbox.journal.entries[0].status is None
        assert applied(server) is takes_effect


def test_the_server_goes_on_after_a_cut_connection() -> None:
    with SandboxServer(faults=["idme:drop#first-1"]) as server:
        with pytest.raises(requests.ConnectionError):
            send(server)
        assert send(server).status_code == 200


def test_half_a_body_breaks_off_after_it_was_applied() -> None:
    with SandboxServer(faults=["idme:half_body"]) as server:
        with pytest.raises(
            requests.exceptions.ChunkedEncodingError, match="Incomplete"
        ):
            send(server)
        assert applied(server)


def test_a_rate_limit_says_when_to_come_back() -> None:
    with SandboxServer(faults=["idme:rate_limit=30"]) as server:
        reply = send(server)
    assert reply.status_code == 429
    assert reply.headers["Retry-After"] == "30"
    assert reply.headers["X-RateLimit-Remaining"] == "0"
    assert reply.headers["X-RateLimit-Reset"] == "30"
    assert not applied(server)


def test_an_error_in_200_has_the_provider_s_error_body() -> None:
    faults = ["idme:error_in_200", "impact:error_in_200=Out of order"]
    with SandboxServer(faults=faults) as server:
        reply = send(server)
        assert not applied(server)
        impact = requests.post(f"{server.url}/impact/Advertisers/IR1/Conversions")
    assert reply.status_code == 200
    assert "error" in reply.json()
    assert (impact.status_code, impact.json()["Status"]) == (200, "ERROR")
    assert impact.json()["errors"][0]["message"] == "Out of order"


def test_a_login_page_is_answered_as_html() -> None:
    with SandboxServer(faults=["idme:html"]) as server:
        reply = send(server)
    assert reply.status_code == 200
    assert reply.headers["Content-Type"].startswith("text/html")
    assert not applied(server)


def test_a_fault_keeps_to_its_account_and_its_orders() -> None:
    faults = ["trackdesk/bumpy:status=500~^BAD"]
    with SandboxServer(faults=faults) as server:
        answered = [
            send_to_tenant(server, tenant, order_id).status_code
            for tenant, order_id in [
                ("bumpy", "BAD1"),
                ("bumpy", "O1"),
                ("fine", "BAD1"),
            ]
        ]
    assert answered == [500, 200, 200]


def test_a_fault_strikes_the_first_tries_of_every_order() -> None:
    with SandboxServer(faults=["idme:status=500#first-2"]) as server:
        assert [send(server).status_code for _ in range(3)] == [500, 500, 200]
        assert send(server, "O2").status_code == 500


def test_a_rate_strikes_the_same_tries_in_every_run() -> None:
    runs = []
    for _ in range(2):
        with SandboxServer(faults=["idme:status=500@0.5"], seed="fixed") as server:
            runs.append([send(server, f"O{n}").status_code for n in range(20)])
    assert runs[0] == runs[1]
    assert 4 <= runs[0].count(500) <= 16


def test_faults_can_be_replaced_while_the_server_runs() -> None:
    with SandboxServer(faults=["idme:status=500"]) as server:
        assert send(server).status_code == 500
        server.sandbox.misbehave()
        assert send(server).status_code == 200


def test_a_fault_has_a_text_form() -> None:
    fault = parse("trackdesk/bumpy:status=503@0.2~^O[1-9]#first-3")
    assert (fault.provider, fault.account) == ("trackdesk", "bumpy")
    assert (fault.name, fault.rate, fault.first) == ("status=503", 0.2, 3)
    assert fault.order is not None
    assert fault.order.pattern == "^O[1-9]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status=503", "provider[/account]:kind"),
        ("paypal:drop", "impact, convert, trackdesk, idme"),
        ("impact:explode", "lost_reply"),
        ("impact:status=9", "status=503"),
        ("impact:drop=1", "written drop"),
        ("impact:drop@2", "rate from 0 to 1"),
        ("impact:drop@1.2.3", "rate from 0 to 1"),
        ("impact:drop~(", "regular expression"),
        ("convert:settle=CONV_DUPLICATE", "the only provider that settles"),
    ],
)
def test_what_is_no_fault_is_refused_with_an_example(text: str, expected: str) -> None:
    with pytest.raises(
        ValueError, match=r"trackdesk/bumpy:status=503@0\.2$"
    ) as refusal:
        parse(text)
    assert expected in str(refusal.value)
