"""Convert: which orders share a request."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from assets.providers.conversion import Conversion
from assets.providers.convert.provider import Convert
from support.convert_account import (
    convert,
    one_order_per_visitor,
)

MakeConversion = Callable[..., Conversion]


def test_a_batch_is_cut_between_visitors(
    conversion: MakeConversion,
) -> None:
    a, b, c = one_order_per_visitor(conversion, "a", "b", "c")
    later = replace(a, order_id="a2", completed_at=a.completed_at + timedelta(hours=1))
    cut = list(convert(visitors_per_request=2).batches([later, c, b, a]))
    assert [[one.order_id for one in batch] for batch in cut] == [
        ["a", "a2", "b"],
        ["c"],
    ]


def test_the_same_orders_give_the_same_bytes_in_whatever_order_they_come(
    conversion: MakeConversion,
) -> None:
    given = one_order_per_visitor(conversion, "a", "b", "c")
    one, other = (next(convert().exchange(batch)) for batch in (given, given[::-1]))
    assert one.body == other.body
    assert one.hash == other.hash
    assert [stored["order_id"] for stored in other.stored] == ["c", "b", "a"]


def test_no_orders_no_batches() -> None:
    assert list(convert().batches([])) == []


# Bytes


def sizes(provider: Convert, batches: list[list[Conversion]]) -> list[int]:
    return [len(next(provider.exchange(batch)).body) for batch in batches]


def at_minutes(order: Conversion, count: int) -> list[Conversion]:
    """So many orders of one visitor, a minute apart."""
    return [
        replace(
            order,
            order_id=f"{order.order_id}-{number:03}",
            completed_at=order.completed_at + timedelta(minutes=number),
        )
        for number in range(count)
    ]


def test_a_batch_has_at_most_so_many_bytes(conversion: MakeConversion) -> None:
    provider = convert(bytes_per_request=2_000)
    orders = one_order_per_visitor(conversion, *map(str, range(100, 140)))
    batches = [list(one) for one in provider.batches(orders)]
    assert [one for batch in batches for one in batch] == orders
    assert max(sizes(provider, batches)) <= 2_000
    # As full as they may be: another visitor would have been too much.
    assert min(sizes(provider, batches[:-1])) > 2_000 - 400


def test_a_batch_is_filled_to_the_last_byte(conversion: MakeConversion) -> None:
    orders = one_order_per_visitor(
        conversion, *(f"visitor-{number}" for number in range(9))
    )
    whole = len(next(convert().exchange(orders)).body)
    # The comma after the last entry is counted as well.
    together = convert(bytes_per_request=whole + 1).batches(orders)
    assert [len(one) for one in together] == [9]
    apart = convert(bytes_per_request=whole - 1).batches(orders)
    assert [len(one) for one in apart] == [8, 1]


def test_a_visitor_stands_in_one_request_where_it_fits_into_one(
    conversion: MakeConversion,
) -> None:
    a, b = one_order_per_visitor(conversion, "a", "b")
    provider = convert(bytes_per_request=2_000)
    batches = list(provider.batches(at_minutes(a, 5) + at_minutes(b, 5)))
    assert [{one.order_id[0] for one in batch} for batch in batches] == [{"a"}, {"b"}]


def test_a_visitor_with_too_many_orders_for_one_request_stands_in_several(
    conversion: MakeConversion,
) -> None:
    provider = convert(bytes_per_request=2_000)
    orders = at_minutes(conversion(), 60)
    batches = [list(one) for one in provider.batches(orders)]
    assert [one for batch in batches for one in batch] == orders
    assert max(sizes(provider, batches)) <= 2_000


def test_an_order_that_is_too_large_goes_alone(conversion: MakeConversion) -> None:
    small, large = one_order_per_visitor(conversion, "a", "b")
    many = {str(number): str(number) for number in range(10_000, 10_200)}
    large = replace(large, bucketing=many)
    batches = list(convert(bytes_per_request=1_024).batches([large, small, small]))
    assert [large] in batches


def test_an_order_that_cannot_be_built_goes_alone(conversion: MakeConversion) -> None:
    good, bad = one_order_per_visitor(conversion, "a", "b")
    bad = replace(bad, bucketing={"1": "\ud800"})
    provider = convert()
    assert [list(one) for one in provider.batches([good, bad])] == [[good], [bad]]
    with pytest.raises(UnicodeEncodeError):
        next(provider.exchange([bad]))
