"""What Trackdesk is sent, byte for byte (manual, sections 2 and 3; trackdesk.md 3)."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from assets.providers.base import Request
from assets.providers.conversion import Conversion
from assets.providers.replies import Phase, Reply
from assets.providers.trackdesk import Trackdesk, TrackdeskSettings
from tests.golden.conftest import requests_of

MakeConversion = Callable[..., Conversion]
Golden = Callable[[str, list[Request]], None]

CID = "2d2ce3d8-7c58-4f7f-9e07-0e1b2c3d4e5f"
COOKIE = json.dumps({"tenantId": "example-shop", "cid": CID})
ORIGIN = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


def sent(order: Conversion, **changes: Any) -> list[Request]:
    settings = {
        "provider": "trackdesk",
        "tenant_id": "example-shop",
        "conversion_type_code": "sale",
    }
    provider = Trackdesk(TrackdeskSettings.model_validate(settings | changes))
    taken = Reply(phase=Phase.DONE, status=200)
    return requests_of(provider.exchange([order]), [taken, taken])


def holding(make: MakeConversion, stored: str) -> Conversion:
    return make(identifiers={"trackdesk_cid": stored})


def test_a_fixed_amount_needs_no_amount(
    conversion: MakeConversion, golden: Golden
) -> None:
    golden("trackdesk/fixed_amount", sent(conversion(), amount="none"))


def test_a_revenue_share_is_paid_of_the_revenue(
    conversion: MakeConversion, golden: Golden
) -> None:
    golden("trackdesk/revenue_share", sent(conversion()))


def test_a_share_of_the_total_without_currency(
    conversion: MakeConversion, golden: Golden
) -> None:
    made = sent(conversion(), amount="total", send_currency=False)
    golden("trackdesk/total_amount", made)


def test_an_external_cid_is_linked_and_then_converted(
    conversion: MakeConversion, golden: Golden
) -> None:
    made = sent(conversion(), identify_by="external_cid", revenue_origin_id=ORIGIN)
    assert len(made) == 2
    golden("trackdesk/external_cid_two_steps", made)


def test_a_coupon(conversion: MakeConversion, golden: Golden) -> None:
    made = sent(conversion(), identify_by="coupon", revenue_origin_id=ORIGIN)
    golden("trackdesk/coupon", made)


def test_a_cookie_is_unpacked(conversion: MakeConversion, golden: Golden) -> None:
    golden("trackdesk/cookie_json", sent(holding(conversion, COOKIE)))


def test_a_cookie_encoded_twice_is_unpacked(
    conversion: MakeConversion, golden: Golden
) -> None:
    twice = quote(quote(COOKIE))
    golden("trackdesk/percent_encoded_cookie", sent(holding(conversion, twice)))


def test_yen_have_no_decimals(conversion: MakeConversion, golden: Golden) -> None:
    order = conversion(currency="JPY", currency_digits=0, revenue=Decimal("16800.00"))
    golden("trackdesk/jpy", sent(order))


def test_an_api_key_goes_in_its_header(
    conversion: MakeConversion, golden: Golden
) -> None:
    golden("trackdesk/api_key", sent(conversion(), api_key="personal-token"))
