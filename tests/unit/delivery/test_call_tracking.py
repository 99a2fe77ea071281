"""A telephone number leaves only where call tracking is on, and is never stored."""

from collections.abc import Callable
from typing import Any

import pytest

from assets.delivery.exchange import BatchExchange
from assets.privacy.personal import PersonalDataError
from assets.providers.conversion import Conversion
from support.impact_account import impact

NUMBER = "+1 (805) 555-0100"
MAPPED = {"fields": {"PhoneNumber": "extra.caller"}}


@pytest.fixture
def order(conversion: Callable[..., Conversion]) -> Conversion:
    return conversion(extra={"caller": NUMBER})


def exchange(order: Conversion, **settings: Any) -> BatchExchange:
    return BatchExchange(impact(**settings), [order])


def test_without_call_tracking_no_number_leaves(order: Conversion) -> None:
    with pytest.raises(PersonalDataError, match="PhoneNumber") as refused:
        exchange(order, **MAPPED).build_first_request()
    assert "805" not in str(refused.value)


def test_with_call_tracking_the_number_is_sent(order: Conversion) -> None:
    step = exchange(order, call_tracking=True, **MAPPED).build_first_request()
    assert b"PhoneNumber=%2B1+%28805%29+555-0100" in step.request.body
    assert "805" not in repr(step.request.stored)


def test_with_call_tracking_no_other_parameter_may_hold_a_number(
    order: Conversion,
) -> None:
    fields = {**MAPPED["fields"], "Text1": "extra.caller"}
    with pytest.raises(PersonalDataError, match="Text1"):
        exchange(order, call_tracking=True, fields=fields).build_first_request()


def test_a_number_that_a_reply_repeats_is_not_stored(order: Conversion) -> None:
    tracked = exchange(order, call_tracking=True, **MAPPED)
    assert NUMBER in tracked.redacted_values
    assert NUMBER not in exchange(order).redacted_values
