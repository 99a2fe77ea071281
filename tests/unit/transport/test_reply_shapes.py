"""Every reply is recorded, and one reply of each shape is compared afterwards."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from assets.providers.base import Request
from assets.providers.replies import Phase, Reply
from assets.providers.shapes import NUMBER, ShapesByRequest
from assets.transport import reply_shapes
from assets.transport.reply_shapes import ReplyShapeRecorder, UnexpectedShape
from support.engine import FakeTransport, answer

KNOWN: ShapesByRequest = {"POST /orders": {(200,): {"code": NUMBER}}}


def request(order_id: str, path: str = "/orders") -> Request:
    return Request(
        method="POST",
        url="http://127.0.0.1:1/orders",
        headers={},
        body=json.dumps({"orders": [order_id]}).encode(),
        path_template=path,
    )


def watch(**replies: Any) -> ReplyShapeRecorder:
    return ReplyShapeRecorder(FakeTransport(replies), KNOWN)


def test_replies_pass_unchanged() -> None:
    reply = answer(body=b'{"new": 1}')
    assert watch(O1=reply).send(request("O1")) is reply


def test_each_unexpected_shape_is_counted_by_replies() -> None:
    odd = {f"O{n}": answer(body=b'{"code": %d, "new": 1}' % n) for n in range(60)}
    plain = {f"P{n}": answer(body=b'{"code": 1}') for n in range(9)}
    watched = watch(**odd, **plain, T1=answer(418))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: watched.send(request(one)), [*odd, *plain, "T1"]))
    assert watched.unexpected() == (
        UnexpectedShape("POST /orders", 200, "$.new: expected no such key", 60),
        UnexpectedShape("POST /orders", 418, "status: expected one of 200, got 418", 1),
    )


@pytest.mark.parametrize(
    "reply",
    [
        Reply(phase=Phase.READING, status=200, body=b'{"new"'),
        Reply(phase=Phase.WAITING),
        Reply(phase=Phase.DONE),
    ],
)
def test_an_incomplete_reply_is_not_recorded(reply: Reply) -> None:
    watched = watch(O1=reply)
    watched.send(request("O1"))
    assert watched.unexpected() == ()


def test_an_undocumented_request_is_not_recorded() -> None:
    watched = watch(O1=answer(418, b"[]"))
    watched.send(request("O1", "/elsewhere"))
    assert watched.unexpected() == ()


def test_a_reply_is_compared_once_for_its_shape(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[bytes] = []

    def note(_known: Any, _status: int, body: bytes) -> list[str]:
        compared.append(body)
        return []

    monkeypatch.setattr(reply_shapes, "differences", note)
    watched = watch(**{f"O{n}": answer(body=b'{"code": %d}' % n) for n in range(50)})
    for number in range(50):
        watched.send(request(f"O{number}"))
    assert watched.unexpected() == ()
    assert compared == [b'{"code": 0}']


def test_only_so_many_shapes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_shapes, "MAX_SHAPES", 2)
    bodies = (b"{}", b'{"a": 1}', b'{"b": 1}', b'{"a": 2}')
    watched = watch(**{f"O{n}": answer(body=body) for n, body in enumerate(bodies)})
    for number in range(len(bodies)):
        watched.send(request(f"O{number}"))
    (found,) = watched.unexpected()
    assert (found.text, found.replies) == ("$.a: expected no such key", 2)
