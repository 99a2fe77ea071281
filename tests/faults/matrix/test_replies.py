"""Fault matrix, rows 12 to 16, 19, 20 and 22: replies that cannot be trusted.

A status of 200 is a success only where the whole reply says so, as documented.
"""

from __future__ import annotations

import gzip
import os
import tracemalloc
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.engine import many
from support.raw_server import TAKEN, Response, always, http, respond

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from assets.ledger.database import Database
    from assets.providers.conversion import Conversion
    from support.harness import Harness, MakeHarness

HEAD = b"HTTP/1.1 200 OK\r\n"
ACCEPTED = b'{"status": "accepted"}'
MEGABYTES = 10_000_000


def check_lost(harness: Harness, response: Response, *phases: str) -> None:
    """The reply is useless, whether the provider counted the order or not."""
    orders = many(1)
    harness.server.script = always(response)
    harness.run(orders, limit=1)
    safe = harness.provider.resend.is_safe
    assert harness.state() == ("retryable" if safe else "uncertain")
    assert harness.attempts()[0]["phase"] in phases
    assert all(one["response_bytes"] <= 64 * 1024 for one in harness.attempts())
    harness.check()
    harness.server.script = always(TAKEN)
    harness.later()
    harness.run(orders)
    known = "duplicate" if response.counts else "accepted"
    assert harness.state() == (known if safe else "uncertain")
    assert harness.server.log.counted["O00000"] == int(response.counts or safe)
    harness.check_finished(orders)


TORN = {
    "short body": HEAD + b"Content-Length: 99\r\n\r\n" + ACCEPTED,
    "broken chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n63\r\n" + ACCEPTED,
    "no chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + ACCEPTED,
    "no last chunk": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n16\r\n"
    + ACCEPTED
    + b"\r\n",
}


@pytest.mark.sampled(8)
@pytest.mark.parametrize("wire", TORN.values(), ids=TORN)
@pytest.mark.parametrize("counted", [False, True])
def test_12_a_body_that_breaks_off(
    harness: Harness, wire: bytes, counted: bool
) -> None:
    check_lost(harness, Response(wire, counts=counted), "reading")


ZIPPED = gzip.compress(ACCEPTED + os.urandom(500))
CODED = {
    "truncated": (b"gzip", ZIPPED[:-9]),
    "not gzip": (b"gzip", ACCEPTED),
    "bomb": (b"gzip", gzip.compress(bytes(10 * MEGABYTES))),
    "six codings": (b", ".join([b"gzip"] * 6), ZIPPED),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("coding", "body"), CODED.values(), ids=CODED)
def test_13_compressed_although_not_requested(
    harness: Harness, coding: bytes, body: bytes
) -> None:
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    wire = HEAD + b"Content-Encoding: " + coding + b"\r\n" + length + body
    with memory_is_flat():
        # zlib does not report a missing end; then the body is not whole.
        check_lost(harness, Response(wire, counts=True), "reading", "done")


class memory_is_flat:  # noqa: N801 - reads like a statement
    """Python's memory may grow by less than 10 MB inside."""

    def __enter__(self) -> None:
        tracemalloc.start()

    def __exit__(self, *_exception: object) -> None:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MEGABYTES


def pours(head: bytes) -> Callable[[socket.socket], None]:
    """Send `head`, then a hundred megabytes, or as much as the client reads."""

    def pour(connection: socket.socket) -> None:
        connection.sendall(head)
        with suppress(OSError):
            for _ in range(1600):
                connection.sendall(b" " * 65536)

    return pour


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "length", [b"Content-Length: 104857600\r\n", b""], ids=["100 MB", "endless"]
)
def test_14_a_body_that_is_far_too_long(harness: Harness, length: bytes) -> None:
    with memory_is_flat():
        response = Response(pours(HEAD + length + b"\r\n"), counts=True)
        check_lost(harness, response, "reading")
    assert harness.attempts()[0]["error_class"] == "reply_too_large"


GARBAGE = {
    "300 headers": HEAD + b"X: 1\r\n" * 300 + b"\r\n" + ACCEPTED,
    "a header of 100 KB": HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n" + ACCEPTED,
    "garbage status": b"HTTP/1.1 twohundred OK\r\n\r\n" + ACCEPTED,
    "HTTP/0.9": ACCEPTED,
    "nothing but an interim status": b"HTTP/1.1 100 Continue\r\n\r\n",
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("wire", GARBAGE.values(), ids=GARBAGE)
def test_15_no_reply_of_http(harness: Harness, wire: bytes) -> None:
    check_lost(harness, Response(wire, counts=True), "waiting")


@pytest.mark.parametrize("status", [999, 600, 299 + 201])
def test_15_a_status_that_means_nothing(harness: Harness, status: int) -> None:
    check_lost(
        harness, Response(http(status, ACCEPTED), counts=True, keep_alive=True), "done"
    )


UNREADABLE_STOP = "unreadable: three 2xx replies in a row could not be read"
LOGIN = "<!DOCTYPE html><html><body>Please sign in</body></html>"


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_16_a_login_page_three_times_in_a_row(harness: Harness, kind: str) -> None:
    check_third_stops(
        harness, Response(http(200, LOGIN, Content_Type=kind), keep_alive=True)
    )


def check_third_stops(harness: Harness, response: Response) -> None:
    """Three 2xx replies without an outcome end the run; seven orders wait."""
    harness.server.script = always(response)
    summary = harness.run(many(10))
    assert summary.stop_reason == UNREADABLE_STOP
    assert summary.requests == 3
    lost = "retryable" if harness.provider.resend.is_safe else "uncertain"
    states = list(harness.states().values())
    assert (states.count(lost), states.count("pending")) == (3, 7)
    harness.check()


DOUBTFUL: dict[str, str | bytes] = {
    "a number for a status": '{"status": 5, "errors": "x"}',
    "null": "null",
    "a list": '["accepted"]',
    "a text": '"accepted"',
    "another word": '{"status": "ACCEPTED?"}',
    "status within": '{"reply": {"status": "accepted"}}',
    "errors are null": '{"errors": null, "status": null}',
    "empty": "",
}
UNREADABLE: dict[str, str | bytes] = {
    "NaN": '{"status": "accepted", "x": NaN}',
    "infinite": '{"status": "accepted", "x": -Infinity}',
    "1e400": '{"status": "accepted", "x": 1e400}',
    "5,000 digits": '{"status": "accepted", "x": %s}' % ("9" * 5000),
    "deep": '{"status": "accepted", "x": %s}' % ("[" * 30_000 + "]" * 30_000),
    "a name twice": '{"status": "rejected", "status": "accepted"}',
    "a byte order mark": b"\xef\xbb\xbf" + ACCEPTED,
    "latin-1": '{"status": "accepted", "city": "Köln"}'.encode("latin-1"),
    "half": '{"status": "accepted"',
    "two": '{"status": "accepted"}{}',
}


@pytest.mark.sampled(8)
@pytest.mark.parametrize("body", DOUBTFUL.values(), ids=DOUBTFUL)
def test_19_json_of_the_wrong_shape(harness: Harness, body: str | bytes) -> None:
    check_lost(harness, Response(http(200, body), counts=True, keep_alive=True), "done")


@pytest.mark.sampled(8)
@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_20_json_that_is_none(harness: Harness, body: str | bytes) -> None:
    check_lost(harness, Response(http(200, body), counts=True, keep_alive=True), "done")


@pytest.mark.parametrize("body", [DOUBTFUL["null"], UNREADABLE["NaN"]])
def test_19_20_three_invalid_replies_in_a_row_stop_the_run(
    harness: Harness, body: str | bytes
) -> None:
    check_third_stops(harness, Response(http(200, body), counts=True, keep_alive=True))


@pytest.mark.parametrize("body", [DOUBTFUL["null"], UNREADABLE["NaN"]])
def test_19_20_occasional_invalid_replies_are_no_outage(
    harness: Harness, body: str | bytes
) -> None:
    """Half of the replies are: as failures they would have stopped the run."""
    odd = Response(http(200, body), counts=True, keep_alive=True)
    harness.provider.limits = replace(harness.provider.limits, in_flight=1)
    harness.server.script = lambda order, _: odd if int(order[1:]) % 2 else TAKEN
    summary = harness.run(many(18), limit=18)
    assert summary.stop_reason is None
    lost = "retryable" if harness.provider.resend.is_safe else "uncertain"
    assert Counter(harness.states().values()) == {"accepted": 9, lost: 9}
    harness.check()


IMPACT_DOUBTS = {
    name: body.replace("status", "Status").replace("accepted", "QUEUED")
    if isinstance(body, str)
    else body.replace(b"status", b"Status").replace(b"accepted", b"QUEUED")
    for name, body in (DOUBTFUL | UNREADABLE).items()
}


@pytest.mark.sampled(6)
@pytest.mark.parametrize("body", IMPACT_DOUBTS.values(), ids=IMPACT_DOUBTS)
def test_19_20_impact_accepts_no_such_reply_either(
    make_impact: MakeHarness,
    tables: Database,
    conversion: Callable[..., Conversion],
    body: str | bytes,
) -> None:
    """Its first copy may stand in the queue: asked again only after a while."""
    harness = make_impact(tables)
    harness.server.script = always(
        Response(http(200, body), counts=True, keep_alive=True)
    )
    orders = [conversion(order_id="O00000")]
    harness.run(orders)
    assert harness.state() == "uncertain"
    assert len(harness.server.seen) == 1
    harness.check()
    harness.server.script = always(respond(409, '{"Status": "ERROR"}', "duplicate"))
    harness.later()
    harness.run(orders)
    row = harness.row("O00000")
    assert (row["state"], row["state_reason"]) == ("duplicate", "own")
    harness.check_finished(orders)


@pytest.mark.parametrize("status", [200, 201, 202])
def test_22_every_success_with_the_words_agreed_on_is_one(
    harness: Harness, status: int
) -> None:
    harness.server.script = always(
        Response(http(status, ACCEPTED), "accepted", counts=True, keep_alive=True)
    )
    harness.run(many(5))
    assert set(harness.states().values()) == {"accepted"}
    harness.check_finished(many(5))
