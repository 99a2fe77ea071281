"""Trackdesk: which settings there are, which exclude each other, what is told."""

from typing import Any

import pytest
from pydantic import ValidationError

from assets.providers.base import Provider
from assets.providers.trackdesk.settings import TrackdeskSettings
from support.trackdesk_account import BY_COUPON, BY_EXTERNAL_CID, REQUIRED, trackdesk


def test_the_shipped_defaults() -> None:
    settings = TrackdeskSettings.model_validate(REQUIRED)
    assert settings.base_url == "https://example-shop.trackdesk.com"
    assert settings.identify_by == "cid"
    assert settings.revenue_origin_id is None
    assert settings.channel == "api"
    assert settings.status is None
    assert settings.duplicate_markers == ()
    assert settings.link
    assert settings.amount == "revenue"
    assert settings.send_currency
    assert settings.api_key is None
    assert settings.external_cid_conversion_path == "/tracking/conversion/v1"
    assert not settings.require_consent


def test_an_address_that_is_given_stands() -> None:
    settings = TrackdeskSettings.model_validate(
        REQUIRED | {"base_url": "http://127.0.0.1:8000/"}
    )
    assert settings.base_url == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tenant_id": "evil.example.com/"}, "tenant_id"),
        ({"tenant_id": ""}, "tenant_id"),
        ({"tenant_id": None}, "tenant_id"),
        ({"conversion_type_code": ""}, "conversion_type_code"),
        ({"base_url": "http://example-shop.trackdesk.com"}, "https"),
        ({"identify_by": "email"}, "'cid', 'external_cid' or 'coupon'"),
        ({"identify_by": "external_cid"}, "needs revenue_origin_id"),
        ({"identify_by": "coupon"}, "needs revenue_origin_id"),
        ({"amount": "subtotal"}, "'revenue', 'total' or 'none'"),
        ({"external_cid_conversion_path": "tracking"}, "external_cid_conversion_path"),
        ({"external_cid_conversion_path": "/a?b"}, "external_cid_conversion_path"),
        (
            {"fields": {"customParams.advS1": "affiliation"}},
            "expected customerId, advS1",
        ),
        ({"fields": {"advS6": "affiliation"}}, "advS6"),
        ({"revenue_origin_id": "main"}, "expected a UUID"),
        ({"status": "blocked"}, "'approved', 'pending'"),
        ({"coupon_separator": ""}, "coupon_separator"),
        ({"duplicate_markers": ["x"]}, "at least four letters"),
        ({"duplicate_markers": ["- - - -"]}, "at least four letters"),
        ({"csv_headers": {"Order": "External ID"}}, "got .'Order'"),
        ({"csv_headers": {"Amount": "Currency"}}, "a name of its own"),
        ({"csv_headers": {"Amount": " "}}, "a name of its own"),
        ({"channel": "file"}, "'api' or 'csv'"),
        (BY_COUPON | {"channel": "csv"}, "no column for"),
        (BY_EXTERNAL_CID | {"channel": "csv"}, "set link = false"),
        ({"tenant": "example-shop"}, "tenant\n"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        TrackdeskSettings.model_validate(REQUIRED | changes)


@pytest.mark.parametrize("missing", ["tenant_id", "conversion_type_code"])
def test_only_missing_settings_are_named(missing: str) -> None:
    given = {name: value for name, value in REQUIRED.items() if name != missing}
    with pytest.raises(ValidationError) as caught:
        TrackdeskSettings.model_validate(given)
    assert [error["loc"] for error in caught.value.errors()] == [(missing,)]


def test_no_message_about_settings_quotes_the_key() -> None:
    with pytest.raises(ValidationError) as caught:
        trackdesk(identify_by="coupon", api_key="key-value")
    assert "key-value" not in str(caught.value)


def test_what_the_engine_uses() -> None:
    provider: Provider = trackdesk(api_key="key-value", requests_per_second=3)
    assert provider.event == "sale"
    assert provider.channel == "http"
    assert provider.limits.conversions_per_request == 1
    assert provider.limits.in_flight == 32
    assert provider.limits.requests_per_second == 3
    assert provider.resend.kind == "dedupe"
    assert provider.resend.window is None
    assert provider.secrets == ("key-value",)
    assert trackdesk().secrets == ()
    assert trackdesk(channel="csv").channel == "csv"
