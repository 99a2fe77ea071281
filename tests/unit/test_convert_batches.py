"""Convert: which orders share a request."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from convert_talk import (
    convert,
    one_each,
)

from assets.providers.conversion import Conversion

MakeConversion = Callable[..., Conversion]


def test_a_batch_is_cut_between_visitors(
    conversion: MakeConversion,
) -> None:
    a, b, c = one_each(conversion, "a", "b", "c")
    later = replace(a, order_id="a2", completed_at=a.completed_at + timedelta(hours=1))
    cut = list(convert(visitors_per_request=2).batches([later, c, b, a]))
    assert [[one.order_id for one in batch] for batch in cut] == [
        ["a", "a2", "b"],
        ["c"],
    ]


def test_the_same_orders_give_the_same_bytes_in_whatever_order_they_come(
    conversion: MakeConversion,
) -> None:
    given = one_each(conversion, "a", "b", "c")
    one, other = (next(convert().exchange(batch)) for batch in (given, given[::-1]))
    assert one.body == other.body
    assert one.hash == other.hash
    assert [stored["order_id"] for stored in other.stored] == ["c", "b", "a"]


def test_no_orders_no_batches() -> None:
    assert list(convert().batches([])) == []
