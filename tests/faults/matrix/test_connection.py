"""Fault matrix, rows 1 to 11 and 39: failures before a reply can be read.

A request of which provably no byte left may be sent again to every provider. A request
that may have been read is sent again only where a repeat is harmless.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from support.engine import many
from support.raw_server import (
    TAKEN,
    Response,
    Server,
    always,
    drips,
    ends_by_itself,
    http,
    in_turn,
    reset,
    stays_silent,
)
from support.tls import Authority

if TYPE_CHECKING:
    from pathlib import Path

    from assets.ledger.database import Database
    from assets.providers.base import ResendPolicy
    from support.harness import Harness, MakeHarness


def check_lost(harness: Harness, *, counted: bool = False) -> None:
    """One order met a fault after its bytes had left; then the provider recovers."""
    orders = many(1)
    safe = harness.provider.resend.is_safe
    harness.run(orders, limit=1)
    harness.server.wait_for(1)
    assert harness.state() == ("retryable" if safe else "uncertain")
    assert harness.row("O00000")["first_sent_at"] is not None
    harness.check()
    requests = len(harness.server.seen)
    harness.server.script = always(TAKEN)
    harness.transport = {}
    harness.later()
    harness.run(orders)
    if safe:
        row = harness.row("O00000")
        assert row["state"] == ("duplicate" if counted else "accepted")
        assert row["state_reason"] == ("own" if counted else None)
        assert harness.server.log.counted == {"O00000": 1}
    else:
        assert harness.state() == "uncertain"
        assert len(harness.server.seen) == requests
        assert harness.server.log.counted["O00000"] == int(counted)
    harness.check_finished(orders)


@pytest.mark.sampled(2)
def test_01_connection_refused_from_the_start(
    db_harness: Harness,
    make_harness: MakeHarness,
    policy: ResendPolicy,
) -> None:
    harness, orders = db_harness, many(50)
    harness.server.stop_listening()
    summary = harness.run(orders)
    assert summary.stop_reason == "unreachable: no connection five times in a row"
    assert (summary.requests, summary.unfinished) == (5, 50)
    states = list(harness.states().values())
    assert (states.count("retryable"), states.count("pending")) == (5, 45)
    assert {row["first_sent_at"] for row in harness.rows()} == {None}
    harness.check()

    # The other destinations of the day go on, and the next run sends everything.
    back = make_harness(harness.database, policy)
    back.clock.pass_by(hours=1)
    assert back.run(orders).unfinished == 0
    assert len(back.rows()) == len(orders)
    assert set(back.states().values()) == {"accepted"}
    back.check_finished(orders)


def test_01_a_dead_destination_does_not_hold_up_another(
    make_harness: MakeHarness, tables: Database, policy: ResendPolicy
) -> None:
    dead, alive = make_harness(tables, policy), make_harness(tables, policy)
    dead.name, alive.name = "dead", "alive"
    dead.server.stop_listening()
    assert dead.run(many(20)).unfinished == 20
    assert alive.run(many(20)).unfinished == 0


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Looks names up itself: the first number is of look-ups that fail."""
    look_up, failures = socket.getaddrinfo, [0]

    def found(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        if host == "shop.invalid":
            if failures[0] > 0:
                failures[0] -= 1
                raise socket.gaierror(socket.EAI_NONAME, "unknown")
            host = "127.0.0.1"
        return look_up(host, port, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    return failures


def test_02_a_name_that_does_not_exist(harness: Harness, names: list[int]) -> None:
    names[0] = 1000
    harness.provider.url = harness.server.url.replace("127.0.0.1", "shop.invalid")
    summary = harness.run(many(20))
    assert (summary.requests, summary.unfinished) == (5, 20)
    assert str(summary.stop_reason).startswith("unreachable")
    assert set(harness.states().values()) == {"retryable", "pending"}
    assert harness.server.connections == 0
    harness.check()


def test_03_a_name_that_is_unknown_for_three_requests(
    harness: Harness, names: list[int]
) -> None:
    names[0] = 3
    harness.transport = {"allow_private": True}
    harness.provider.url = harness.server.url.replace("127.0.0.1", "shop.invalid")
    summary = harness.run(many(20))
    assert (summary.stop_reason, summary.requests) == (None, 23)
    assert set(harness.states().values()) == {"accepted"}
    assert len(harness.server.log.orders) == 20
    harness.check_finished(many(20))


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority in which the transport trusts."""
    made = Authority(tmp_path)
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(made.bundle))
    return made


@pytest.mark.parametrize("wrong", ["self_signed", "wrong_host", "expired"])
def test_04_a_certificate_that_proves_nothing(
    make_harness: MakeHarness,
    tables: Database,
    policy: ResendPolicy,
    authority: Authority,
    wrong: str,
) -> None:
    harness = make_harness(tables, policy, tls=getattr(authority, wrong)())
    summary = harness.run(many(10))
    assert (summary.requests, summary.unfinished) == (1, 10)
    assert summary.stop_reason == "configuration: certificate"
    assert set(harness.states().values()) == {"pending"}
    assert harness.server.seen == []
    harness.check()


def test_04_a_port_that_speaks_no_tls(harness: Harness) -> None:
    def refuse(connection: socket.socket) -> None:
        hello = connection.recv(65536)
        assert b"O00000" not in hello
        connection.sendall(http(400))

    harness.server.behaviour = refuse
    harness.provider.url = harness.server.url.replace("http:", "https:")
    summary = harness.run(many(10))
    assert (summary.requests, summary.unfinished) == (1, 10)
    assert summary.stop_reason == "configuration: certificate"
    assert set(harness.states().values()) == {"pending"}
    assert harness.server.connections == 1
    harness.check()


def test_04_a_good_certificate_is_taken(
    make_harness: MakeHarness,
    tables: Database,
    policy: ResendPolicy,
    authority: Authority,
) -> None:
    harness = make_harness(tables, policy, tls=authority.good())
    assert harness.run(many(5)).unfinished == 0
    harness.check_finished(many(5))


@ends_by_itself
@pytest.mark.parametrize("drip", [False, True], ids=["silent", "dripping"])
def test_05_a_tls_handshake_that_never_ends(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, drip: bool
) -> None:
    monkeypatch.setattr("assets.transport.http.CONNECT_SECONDS", 0.3)

    def stall(connection: socket.socket) -> None:
        connection.recv(65536)
        if drip:  # a record of 16,000 bytes, each of them in time
            drips(b"\x16\x03\x03\x3e\x80")(connection)
        stays_silent(connection)

    harness.server.behaviour = stall
    harness.provider.url = harness.server.url.replace("http:", "https:")
    harness.transport = {"deadline_seconds": 0.6}
    harness.run(many(1), limit=1)
    assert (harness.state(), harness.row("O00000")["state_reason"]) == (
        "retryable",
        "not_sent",
    )
    assert harness.attempts()[0]["phase"] == "connecting"
    harness.check()


def test_06_closed_after_the_request_was_read(harness: Harness) -> None:
    harness.server.script = always(Response(lambda _connection: None))
    check_lost(harness)


def test_07_reset_after_the_request_was_read(harness: Harness) -> None:
    harness.server.script = always(Response(reset))
    check_lost(harness)


@pytest.mark.sampled(1)
def test_08_reset_in_the_middle_of_our_body(harness: Harness) -> None:
    def reset_early(connection: socket.socket) -> None:
        connection.recv(1000)
        reset(connection)

    keep_books = harness.server.behaviour
    harness.server.behaviour = reset_early
    harness.provider.padding = 20_000_000
    harness.run(many(1), limit=1)
    safe = harness.provider.resend.is_safe
    assert harness.state() == ("retryable" if safe else "uncertain")
    assert harness.attempts()[0]["phase"] in {"sending", "waiting"}
    harness.check()
    harness.server.behaviour = keep_books
    harness.later()
    harness.run(many(1))
    assert harness.state() == ("accepted" if safe else "uncertain")
    assert len(harness.server.seen) == int(safe)
    harness.check()


def test_09_counted_but_the_answer_is_lost(
    db_harness: Harness,
) -> None:
    db_harness.server.script = always(Response(reset, counts=True))
    check_lost(db_harness, counted=True)


def test_09_a_lost_reply_is_retried_within_the_run(
    harness: Harness,
) -> None:
    harness.server.script = in_turn(Response(reset, counts=True), TAKEN)
    harness.run(many(1))
    safe = harness.provider.resend.is_safe
    assert harness.state() == ("duplicate" if safe else "uncertain")
    assert harness.server.log.orders == ["O00000"] * (2 if safe else 1)
    assert harness.server.log.counted == {"O00000": 1}
    harness.check_finished(many(1))


@ends_by_itself
def test_10_no_answer_at_all(harness: Harness) -> None:
    harness.transport = {"read_seconds": 0.3}
    harness.server.script = always(Response(stays_silent))
    check_lost(harness)
    assert harness.attempts()[0]["phase"] == "waiting"


@pytest.mark.sampled(2)
@ends_by_itself
@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"],
    ids=["headers", "body"],
)
def test_11_an_answer_that_drips(harness: Harness, head: bytes) -> None:
    harness.transport = {"read_seconds": 0.3, "deadline_seconds": 0.6}
    harness.server.script = always(Response(drips(head)))
    check_lost(harness)


def test_39_a_kept_connection_is_closed_between_requests(
    harness: Harness,
) -> None:
    closes = Response(TAKEN.wire, TAKEN.verdict, counts=True)
    harness.server.script = always(closes)
    harness.provider.limits = type(harness.provider.limits)(in_flight=1)
    harness.run(many(10))
    assert set(harness.states().values()) == {"accepted"}
    assert (harness.server.connections, len(harness.server.seen)) == (10, 10)
    harness.check_finished(many(10))


def test_a_kept_connection_is_used_again(harness: Harness) -> None:
    assert isinstance(harness.server, Server)
    harness.provider.limits = type(harness.provider.limits)(in_flight=1)
    harness.run(many(10))
    assert harness.server.connections == 1
