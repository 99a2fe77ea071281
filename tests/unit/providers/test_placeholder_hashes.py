"""The hash of nothing in a mapped column is no value, and that is recorded."""

from collections.abc import Callable
from hashlib import md5, sha1, sha256
from typing import Any

import pytest

from assets.providers.base import ReportsDataIssues
from assets.providers.conversion import Conversion, Item
from assets.providers.idme.provider import IdMe, IdMeSettings
from support.convert_account import convert
from support.impact_account import impact
from support.trackdesk_account import trackdesk

COLUMN = "extra.email_hash"
NOTHING = sha256(b"").hexdigest()


def idme(**changes: Any) -> IdMe:
    account = {"provider": "idme", "app_id": "app-1"}
    return IdMe(IdMeSettings.model_validate({**account, **changes}))


ACCOUNTS = {
    "Text1": impact,
    "customDimension1": convert,
    "customerId": trackdesk,
    "member": idme,
}


def issues(provider: Any, order: Conversion) -> list[tuple[str, str]]:
    assert isinstance(provider, ReportsDataIssues)
    return [(one.code, one.subject) for one in provider.data_issues(order)]


@pytest.mark.parametrize(("field", "account"), ACCOUNTS.items(), ids=ACCOUNTS)
@pytest.mark.parametrize("nothing", [b"", b"null", b"(not set)", b"guest"])
@pytest.mark.parametrize("algorithm", [md5, sha1, sha256])
def test_a_hash_of_nothing_is_no_value_and_is_recorded(
    conversion: Callable[..., Conversion],
    field: str,
    account: Callable[..., Any],
    nothing: bytes,
    algorithm: Callable[..., Any],
) -> None:
    digest = algorithm(nothing, usedforsecurity=False).hexdigest()
    provider = account(fields={field: COLUMN})
    for written in (digest, digest.upper()):
        order = conversion(extra={"email_hash": written})
        assert provider.payload(order) == account().payload(order)
        assert issues(provider, order) == [("placeholder_value", field)]


@pytest.mark.parametrize(("field", "account"), ACCOUNTS.items(), ids=ACCOUNTS)
def test_the_hash_of_somebody_is_sent(
    conversion: Callable[..., Conversion], field: str, account: Callable[..., Any]
) -> None:
    digest = md5(b"me@example.org", usedforsecurity=False).hexdigest()
    provider = account(fields={field: COLUMN})
    order = conversion(extra={"email_hash": digest})
    assert digest.encode() in provider.payload(order)
    assert issues(provider, order) == []


@pytest.mark.parametrize("field", ["customDimension1", "member"])
def test_a_hash_of_nothing_is_no_member_of_a_list_and_is_recorded(
    conversion: Callable[..., Conversion], field: str
) -> None:
    provider = ACCOUNTS[field](fields={field: COLUMN})
    order = conversion(
        extra={"email_hash": f'["a", "{NOTHING}"]'},
        lists={"email_hash": ("a", NOTHING)},
    )
    assert NOTHING.encode() not in provider.payload(order)
    assert issues(provider, order) == [("placeholder_value", field)]


def test_a_hash_of_nothing_is_no_value_of_a_line(
    conversion: Callable[..., Conversion], item: Callable[..., Item]
) -> None:
    order = conversion(items=(item(extra={"of": NOTHING}),))
    provider = impact(item_fields={"ItemText_1": "extra.of"})
    assert provider.payload(order) == impact().payload(order)


def test_where_a_list_is_one_text_nothing_is_left_out_of_it(
    conversion: Callable[..., Conversion],
) -> None:
    text = f'["{NOTHING}"]'
    order = conversion(extra={"email_hash": text}, lists={"email_hash": (NOTHING,)})
    provider = impact(fields={"Note": COLUMN})
    assert NOTHING.encode() in provider.payload(order)
    assert issues(provider, order) == []
