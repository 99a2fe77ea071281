"""What the sandbox writes down, shows, and remembers after a restart."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from pipelines.sandbox.journal import Entry, read
from pipelines.sandbox.server import SandboxServer

CONVERSION = {
    "CampaignId": "1000",
    "EventTypeCode": "sale",
    "EventDate": "2026-01-31T23:55:24Z",
    "ClickId": "click",
    "OrderId": "O1",
}
LINK = {
    "externalCid": "user-1",
    "revenueOriginId": "7a1c2d3e-0000-4000-8000-000000000001",
    "cid": "0b5c6f0e-8e53-4f55-9d5a-0f3e6f6a1c11",
}
ACCEPT = {"Accept": "application/json"}
AUTH = ("IR1", "t0ken")


def send_to_impact(server: SandboxServer, order_id: str = "O1") -> requests.Response:
    url = f"{server.url}/impact/Advertisers/IR1/Conversions"
    form = {**CONVERSION, "OrderId": order_id}
    return requests.post(url, data=form, headers=ACCEPT, auth=AUTH)


def send_to_trackdesk(server: SandboxServer, path: str, **body: str) -> int:
    url = f"{server.url}/trackdesk/acme/tracking/{path}/v1"
    return requests.post(url, json=body, headers={"x-api-key": "k3y"}).status_code


def test_a_request_is_written_with_what_came_of_it(tmp_path: Path) -> None:
    path = tmp_path / "var" / "journal.jsonl"
    with SandboxServer(journal_path=path) as server:
        send_to_impact(server)
        [entry] = read(path)
    assert entry == server.sandbox.journal.entries[0]
    assert (entry.provider, entry.account, entry.method) == ("impact", "IR1", "POST")
    assert entry.path == "/impact/Advertisers/IR1/Conversions"
    assert (entry.status, entry.applied, entry.fault) == (200, True, None)
    assert (entry.body, entry.order_ids) == (CONVERSION, ["O1"])


def test_no_secret_is_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with SandboxServer(journal_path=path) as server:
        send_to_impact(server)
        send_to_trackdesk(server, "external-cid", **LINK)
    impact, trackdesk = read(path)
    assert impact.headers["authorization"] == "present"
    assert trackdesk.headers["x-api-key"] == "present"
    assert "k3y" not in path.read_text()


def test_a_refused_and_an_unreadable_request_are_written_too() -> None:
    with SandboxServer() as server:
        requests.post(f"{server.url}/impact/nowhere?a=b", data=b"\xff")
        requests.post(f"{server.url}/idme/events", data="{")
    nowhere, unreadable = server.sandbox.journal.entries
    assert (nowhere.path, nowhere.status) == ("/impact/nowhere?a=b", 404)
    assert (unreadable.body, unreadable.order_ids) == ("{", [])


def test_a_restarted_sandbox_remembers_what_it_has_seen(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    faults = ["impact:settle=NO_ITEM~O2", "impact:status=500~O3"]
    with SandboxServer(journal_path=path, faults=faults) as server:
        uris = [
            send_to_impact(server, order).json()["QueuedUri"] for order in ("O1", "O2")
        ]
        send_to_impact(server, "O3")
        assert send_to_trackdesk(server, "external-cid", **LINK) == 200
    with SandboxServer(journal_path=path) as server:
        assert server.sandbox.effects("impact") == {"O1": 1}
        assert server.sandbox.requests("impact") == {"O1": 1, "O2": 1, "O3": 1}
        again = send_to_impact(server).json()["QueuedUri"]
        reasons = [
            requests.get(f"{server.url}/impact{uri}", headers=ACCEPT, auth=AUTH).json()[
                "ErrorReason"
            ]
            for uri in (*uris, again)
        ]
        assert reasons == ["", "NO_ITEM", "CONV_DUPLICATE"]
        pair = {name: LINK[name] for name in ("externalCid", "revenueOriginId")}
        sale = pair | {"conversionTypeCode": "sale"}
        assert send_to_trackdesk(server, "conversion", **sale) == 200
        assert len(list(read(path))) == len(server.sandbox.journal.entries)


def test_memory_holds_as_many_entries_as_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with SandboxServer(journal_path=path, keep=1) as server:
        send_to_impact(server)
        send_to_impact(server, "O2")
        assert [entry.order_ids for entry in server.sandbox.journal.entries] == [["O2"]]
        assert server.sandbox.effects("impact") == {"O1": 1, "O2": 1}
    assert len(list(read(path))) == 2


def test_each_entry_is_handed_on_as_it_is_written() -> None:
    seen: list[Entry] = []
    with SandboxServer(on_entry=seen.append) as server:
        send_to_impact(server)
    assert seen == server.sandbox.journal.entries


def test_the_journal_is_served_by_provider_and_account() -> None:
    with SandboxServer() as server:
        send_to_impact(server)
        send_to_trackdesk(server, "external-cid", **LINK)
        url = f"{server.url}/journal"
        everything = requests.get(url).text.splitlines()
        tenant = requests.get(url, {"provider": "trackdesk", "account": "acme"}).text
        nobody = requests.get(url, {"account": "nobody"}).text
        index = requests.get(server.url).text
    assert len(everything) == 2
    assert json.loads(tenant)["path"] == "/trackdesk/acme/tracking/external-cid/v1"
    assert nobody == ""
    assert "/trackdesk/<tenant>" in index


def test_a_file_that_is_no_journal_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text("[]\n")
    with pytest.raises(ValueError, match=r"journal\.jsonl line 1: expected an entry"):
        SandboxServer(journal_path=path)


def test_the_sandbox_serves_until_it_is_interrupted() -> None:
    program = (
        "from pipelines.sandbox.server import SandboxServer, serve\n"
        "serve(SandboxServer(), lambda url: print(url, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert requests.get(process.stdout.readline().strip()).ok
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
    assert told.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.parametrize("order_id", ["\ud800", "\u202eO1", "é😀", "O 1\r\n"])
def test_any_text_can_be_an_order_id(tmp_path: Path, order_id: str) -> None:
    path = tmp_path / "journal.jsonl"
    event = {
        "event": "Order Completed",
        "eventId": "e-1",
        "timestamp": "2026-01-31T10:00:00Z",
        "conversionTrackingId": "ctid-1",
        "properties": {"orderId": order_id},
    }
    with SandboxServer(journal_path=path, faults=["idme:drop@0"]) as server:
        assert requests.post(f"{server.url}/idme/events", json=event).ok
    assert [entry.order_ids for entry in read(path)] == [[order_id]]


def test_a_client_that_leaves_in_the_middle_of_a_request_is_no_trouble(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with SandboxServer() as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"POST /idme/events HTTP/1.1\r\nHost: x\r\n")
            client.sendall(b"Content-Length: 9\r\n\r\n{")
        assert requests.get(server.url).ok
    assert server.sandbox.journal.entries == []
    assert capfd.readouterr().err == ""
