"""Convert: which settings are taken, and what they tell the engine."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from assets.providers.base import Provider
from assets.providers.conversion import Conversion
from assets.providers.convert.provider import ConvertSettings
from support.convert_account import (
    REQUIRED,
    convert,
)

MakeConversion = Callable[..., Conversion]


def test_the_shipped_defaults() -> None:
    settings = ConvertSettings.model_validate(REQUIRED)
    assert settings.base_url == "https://metrics.convertexperiments.com"
    assert settings.require_consent
    assert settings.enrich_data
    assert settings.visitors_per_request == 50
    assert settings.bytes_per_request == 65_536
    assert settings.source is None
    assert not settings.first_order_only
    assert not settings.send_without_bucketing
    assert not settings.resend_uncertain
    assert settings.sdk_key is None
    assert settings.sdk_key_secret is None


def test_ids_may_be_written_as_numbers() -> None:
    settings = ConvertSettings.model_validate(
        REQUIRED | {"account_id": 1, "project_id": 2, "goal_id": 3, "currency": "usd"}
    )
    assert (settings.account_id, settings.project_id) == ("1", "2")
    assert (settings.goal_id, settings.currency) == ("3", "USD")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"account_id": "10007679/../x"}, "account_id"),
        ({"project_id": ""}, "project_id"),
        ({"goal_id": ""}, "goal_id"),
        ({"currency": "US$"}, "currency"),
        ({"currency": "XXX"}, "currency"),
        ({"visitors_per_request": 0}, "visitors_per_request"),
        ({"base_url": "http://metrics.example.com"}, "https"),
        ({"base_url": "https://metrics.example.com/v1"}, "ends before /v1/track"),
        ({"base_url": "https://metrics.example.com/v1/track/"}, "ends before"),
        ({"sdk_key_secret": "s3cret"}, "sdk_key_secret needs sdk_key"),
        ({"debug_token": "t0ken"}, "debug_token needs sdk_key"),
        ({"exposure_max_age_days": 0}, "exposure_max_age_days"),
        ({"send_without_bucketing": True, "enrich_data": False}, "needs enrich_data"),
        ({"resend_uncertain": True, "enrich_data": False}, "needs enrich_data"),
        ({"bytes_per_request": 1_023}, "bytes_per_request"),
        ({"source": ""}, "source"),
        ({"sdk_key": ""}, "sdk_key"),
        (
            {"fields": {"customDimension6": "affiliation"}},
            "choose from customDimension1",
        ),
        ({"fields": {"amount": "total"}}, "amount cannot be mapped"),
        ({"fields": {"customDimension1": "store"}}, "extra.<column>"),
        ({"goal": "100037225"}, "goal\n"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ConvertSettings.model_validate(REQUIRED | changes)


def test_no_message_about_settings_quotes_a_secret() -> None:
    wrong = {"sdk_key": "key-value", "sdk_key_secret": "secret-value"}
    with pytest.raises(ValidationError) as caught:
        convert(**wrong, resend_uncertain=True, enrich_data=False)
    assert "-value" not in str(caught.value)


def test_what_the_engine_uses() -> None:
    provider: Provider = convert()
    assert provider.event == "100037225"
    assert provider.channel == "http"
    assert provider.limits.in_flight == 8
    assert provider.limits.conversions_per_request == 50
    assert provider.resend.kind == "never"
    assert provider.secrets == ()


def test_settings_that_the_engine_uses() -> None:
    provider = convert(
        in_flight=2,
        requests_per_second=1.5,
        requests_per_hour=900,
        visitors_per_request=10,
        resend_uncertain=True,
        sdk_key="the-key",
        sdk_key_secret="the-secret",
    )
    assert provider.limits.in_flight == 2
    assert provider.limits.requests_per_second == 1.5
    assert provider.limits.requests_per_hour == 900
    assert provider.limits.conversions_per_request == 10
    assert provider.resend.kind == "dedupe"
    assert provider.secrets == ("the-key", "the-secret")
