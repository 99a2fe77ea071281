"""Fault matrix, rows 1 to 11 and 39: what happens before a reply is there to be read.

Whatever provably left no byte may be sent again to everybody. Whatever may have been
read is sent again only where a repeat is harmless.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from support.engine import many
from support.raw_server import (
    TAKEN,
    Act,
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
    from support.line import Line, MakeLine


def check_lost(line: Line, *, counted: bool = False) -> None:
    """One order met a fault after its bytes had left; then the provider recovers."""
    orders = many(1)
    safe = line.provider.resend.is_safe
    line.run(orders, limit=1)
    line.server.wait_for(1)
    assert line.state() == ("retryable" if safe else "uncertain")
    assert line.row("O00000")["first_sent_at"] is not None
    line.check()
    requests = len(line.server.seen)
    line.server.script = always(TAKEN)
    line.transport = {}
    line.later()
    line.run(orders)
    if safe:
        row = line.row("O00000")
        assert row["state"] == ("duplicate" if counted else "accepted")
        assert row["state_reason"] == ("own" if counted else None)
        assert line.server.books.counted == {"O00000": 1}
    else:
        assert line.state() == "uncertain"
        assert len(line.server.seen) == requests
        assert line.server.books.counted["O00000"] == int(counted)
    line.check_finished(orders)


def test_01_connection_refused_from_the_start(
    line_anywhere: Line, make_line: MakeLine, policy: ResendPolicy
) -> None:
    line, orders = line_anywhere, many(50)
    line.server.stop_listening()
    summary = line.run(orders)
    assert summary.stop_reason == "unreachable: no connection five times in a row"
    assert (summary.requests, summary.unfinished) == (5, 50)
    states = list(line.states().values())
    assert (states.count("retryable"), states.count("pending")) == (5, 45)
    assert {row["first_sent_at"] for row in line.rows()} == {None}
    line.check()

    # The other destinations of the day go on, and the next run sends everything.
    back = make_line(line.database, policy)
    back.clock.pass_by(hours=1)
    assert back.run(orders).unfinished == 0
    assert len(back.rows()) == len(orders)
    assert set(back.states().values()) == {"accepted"}
    back.check_finished(orders)


def test_01_a_dead_destination_does_not_hold_up_another(
    make_line: MakeLine, tables: Database, policy: ResendPolicy
) -> None:
    dead, alive = make_line(tables, policy), make_line(tables, policy)
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


def test_02_a_name_that_does_not_exist(line: Line, names: list[int]) -> None:
    names[0] = 1000
    line.provider.url = line.server.url.replace("127.0.0.1", "shop.invalid")
    summary = line.run(many(20))
    assert (summary.requests, summary.unfinished) == (5, 20)
    assert str(summary.stop_reason).startswith("unreachable")
    assert set(line.states().values()) == {"retryable", "pending"}
    assert line.server.connections == 0
    line.check()


def test_03_a_name_that_is_unknown_for_three_requests(
    line: Line, names: list[int]
) -> None:
    names[0] = 3
    line.transport = {"allow_private": True}
    line.provider.url = line.server.url.replace("127.0.0.1", "shop.invalid")
    summary = line.run(many(20))
    assert (summary.stop_reason, summary.requests) == (None, 23)
    assert set(line.states().values()) == {"accepted"}
    assert len(line.server.books.orders) == 20
    line.check_finished(many(20))


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority in which the transport trusts."""
    made = Authority(tmp_path)
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(made.bundle))
    return made


@pytest.mark.parametrize("wrong", ["self_signed", "wrong_host", "expired"])
def test_04_a_certificate_that_proves_nothing(
    make_line: MakeLine,
    tables: Database,
    policy: ResendPolicy,
    authority: Authority,
    wrong: str,
) -> None:
    line = make_line(tables, policy, tls=getattr(authority, wrong)())
    summary = line.run(many(10))
    assert (summary.requests, summary.unfinished) == (1, 10)
    assert summary.stop_reason == "configuration: certificate"
    assert set(line.states().values()) == {"pending"}
    assert line.server.seen == []
    line.check()


def test_04_a_port_that_speaks_no_tls(line: Line) -> None:
    def refuse(connection: socket.socket) -> None:
        hello = connection.recv(65536)
        assert b"O00000" not in hello
        connection.sendall(http(400))

    line.server.behaviour = refuse
    line.provider.url = line.server.url.replace("http:", "https:")
    summary = line.run(many(10))
    assert (summary.requests, summary.unfinished) == (1, 10)
    assert summary.stop_reason == "configuration: certificate"
    assert set(line.states().values()) == {"pending"}
    assert line.server.connections == 1
    line.check()


def test_04_a_good_certificate_is_taken(
    make_line: MakeLine, tables: Database, policy: ResendPolicy, authority: Authority
) -> None:
    line = make_line(tables, policy, tls=authority.good())
    assert line.run(many(5)).unfinished == 0
    line.check_finished(many(5))


@ends_by_itself
@pytest.mark.parametrize("drip", [False, True], ids=["silent", "dripping"])
def test_05_a_tls_handshake_that_never_ends(
    line: Line, monkeypatch: pytest.MonkeyPatch, drip: bool
) -> None:
    monkeypatch.setattr("assets.transport.http.CONNECT_SECONDS", 0.3)

    def stall(connection: socket.socket) -> None:
        connection.recv(65536)
        if drip:  # a record of 16,000 bytes, each of them in time
            drips(b"\x16\x03\x03\x3e\x80")(connection)
        stays_silent(connection)

    line.server.behaviour = stall
    line.provider.url = line.server.url.replace("http:", "https:")
    line.transport = {"deadline_seconds": 0.6}
    line.run(many(1), limit=1)
    assert (line.state(), line.row("O00000")["state_reason"]) == (
        "retryable",
        "not_sent",
    )
    assert line.attempts()[0]["phase"] == "connecting"
    line.check()


def test_06_closed_after_the_request_was_read(line: Line) -> None:
    line.server.script = always(Act(lambda _connection: None))
    check_lost(line)


def test_07_reset_after_the_request_was_read(line: Line) -> None:
    line.server.script = always(Act(reset))
    check_lost(line)


def test_08_reset_in_the_middle_of_our_body(line: Line) -> None:
    def reset_early(connection: socket.socket) -> None:
        connection.recv(1000)
        reset(connection)

    keep_books = line.server.behaviour
    line.server.behaviour = reset_early
    line.provider.padding = 20_000_000
    line.run(many(1), limit=1)
    safe = line.provider.resend.is_safe
    assert line.state() == ("retryable" if safe else "uncertain")
    assert line.attempts()[0]["phase"] in {"sending", "waiting"}
    line.check()
    line.server.behaviour = keep_books
    line.later()
    line.run(many(1))
    assert line.state() == ("accepted" if safe else "uncertain")
    assert len(line.server.seen) == int(safe)
    line.check()


def test_09_counted_but_the_answer_is_lost(line_anywhere: Line) -> None:
    line_anywhere.server.script = always(Act(reset, applies=True))
    check_lost(line_anywhere, counted=True)


def test_09_a_lost_answer_is_asked_for_again_within_the_run(line: Line) -> None:
    line.server.script = in_turn(Act(reset, applies=True), TAKEN)
    line.run(many(1))
    safe = line.provider.resend.is_safe
    assert line.state() == ("duplicate" if safe else "uncertain")
    assert line.server.books.orders == ["O00000"] * (2 if safe else 1)
    assert line.server.books.counted == {"O00000": 1}
    line.check_finished(many(1))


@ends_by_itself
def test_10_no_answer_at_all(line: Line) -> None:
    line.transport = {"read_seconds": 0.3}
    line.server.script = always(Act(stays_silent))
    check_lost(line)
    assert line.attempts()[0]["phase"] == "waiting"


@ends_by_itself
@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"],
    ids=["headers", "body"],
)
def test_11_an_answer_that_drips(line: Line, head: bytes) -> None:
    line.transport = {"read_seconds": 0.3, "deadline_seconds": 0.6}
    line.server.script = always(Act(drips(head)))
    check_lost(line)


def test_39_a_kept_connection_is_closed_between_requests(line: Line) -> None:
    closes = Act(TAKEN.wire, TAKEN.says, applies=True)
    line.server.script = always(closes)
    line.provider.limits = type(line.provider.limits)(in_flight=1)
    line.run(many(10))
    assert set(line.states().values()) == {"accepted"}
    assert (line.server.connections, len(line.server.seen)) == (10, 10)
    line.check_finished(many(10))


def test_a_kept_connection_is_used_again(line: Line) -> None:
    assert isinstance(line.server, Server)
    line.provider.limits = type(line.provider.limits)(in_flight=1)
    line.run(many(10))
    assert line.server.connections == 1
