"""Trackdesk: completed orders as conversions, one request each.

Settings, identifiers and request bodies belong here; what a stored cookie holds is in
`trackdesk_cid.py`, what a reply means in `trackdesk_replies.py`. Sources are "manual"
(Trackdesk's page on manual conversions) and `trackdesk.md` (what else is known, with
its confidence).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from assets.money import fits, to_text
from assets.providers.base import (
    DestinationSettings,
    Exchange,
    Request,
    ResendPolicy,
    Withheld,
    limits_of,
    one_by_one,
    refuse_mapping,
    withhold,
)
from assets.providers.conversion import Conversion
from assets.providers.encode import fingerprint, json_bytes
from assets.providers.trackdesk_cid import read_click
from assets.providers.trackdesk_replies import conversion_outcome, link_outcome

CONVERSION_PATH = "/tracking/conversion/v1"
LINK_PATH = "/tracking/external-cid/v1"
DEFAULT_IN_FLIGHT = 32


class TrackdeskSettings(DestinationSettings):
    """One Trackdesk tenant and the conversion type that orders count as.

    Attributes:
        base_url: Where not given, the address of the tenant (manual, section 2).
        conversion_type_code: For example `sale` (manual, section 2).
        identify_by: Which one identifier goes out (`trackdesk.md`, section 3).
        revenue_origin_id: Needed with an external cid (manual, section 3) or a coupon.
        link: Tell Trackdesk first which click the external cid stands for; off where
            the site does (manual, section 3, step A).
        amount: What a percentage is paid of; `none` for offers of a fixed amount.
        send_currency: Must be enabled in the offer's pricing group too (help 10420821).
        api_key: Sent as `x-api-key`; not needed (`trackdesk.md`, section 2).
        external_cid_conversion_path: The manual prints the path of step A for step B,
            almost surely by mistake (`trackdesk.md`, section 2).
    """

    provider: Literal["trackdesk"]
    base_url: str = ""
    tenant_id: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$")
    conversion_type_code: str = Field(min_length=1)
    identify_by: Literal["cid", "external_cid", "coupon"] = "cid"
    revenue_origin_id: str | None = Field(default=None, min_length=1)
    link: bool = True
    amount: Literal["revenue", "total", "none"] = "revenue"
    send_currency: bool = True
    api_key: SecretStr | None = None
    external_cid_conversion_path: str = Field(
        default=CONVERSION_PATH, pattern=r"^(/[A-Za-z0-9_.-]+)+$"
    )

    @model_validator(mode="before")
    @classmethod
    def _address_of_the_tenant(cls, given: Any) -> Any:
        if isinstance(given, dict) and "tenant_id" in given:
            return {"base_url": f"https://{given['tenant_id']}.trackdesk.com", **given}
        return given

    _must_map_nothing = field_validator("fields")(refuse_mapping)

    @model_validator(mode="after")
    def _must_name_the_revenue_origin(self) -> Self:
        if self.identify_by != "cid" and self.revenue_origin_id is None:
            message = f'identify_by = "{self.identify_by}" needs revenue_origin_id'
            raise ValueError(message)
        return self


@dataclass(frozen=True, slots=True)
class Identity:
    """How Trackdesk is to find the source of a conversion.

    Attributes:
        fields: The identifying fields of the conversion.
        link: The body of step A, or None where nothing is to be linked first.
    """

    fields: Mapping[str, object]
    link: Mapping[str, object] | None = None


class Trackdesk:
    """One Trackdesk tenant as a destination.

    Attributes:
        event: The conversion type code.
        resend: `dedupe`: conversion type and `externalId` are the key (help 10290309).
    """

    channel: Literal["http", "outbox"] = "http"

    def __init__(self, settings: TrackdeskSettings) -> None:
        self._settings = settings
        self.event = settings.conversion_type_code
        self.limits = limits_of(settings, in_flight=DEFAULT_IN_FLIGHT)
        self.resend = ResendPolicy(kind="dedupe")
        key = settings.api_key
        self.secrets: tuple[str, ...] = (key.get_secret_value(),) if key else ()

    def eligibility(self, conversion: Conversion, now: datetime) -> Withheld | None:
        """Return why `conversion` is not to be sent, or None where it is."""
        if why := withhold(self._settings, conversion, now):
            return why
        identity = self._identity(conversion)
        if isinstance(identity, Withheld):
            return identity
        amount = self._amount(conversion)
        if amount is not None and not fits(amount, conversion.currency_digits):
            return Withheld("quarantined", "amount_precision")
        return None

    def batches(
        self, conversions: Sequence[Conversion]
    ) -> Iterable[Sequence[Conversion]]:
        """Cut into batches of one: the API takes one conversion a request."""
        return one_by_one(conversions)

    def payload(self, conversion: Conversion) -> bytes:
        """Return the body of a conversion; the link before it reports nothing."""
        identity = self._known_identity(conversion)
        return json_bytes(self._body(conversion, identity.fields))

    def exchange(self, batch: Sequence[Conversion]) -> Exchange:
        """Link the external cid where that is asked for, then send the conversion."""
        (conversion,) = batch
        identity = self._known_identity(conversion)
        if identity.link is not None:
            reply = yield self._request(LINK_PATH, identity.link, conversion)
            failed = link_outcome(reply)
            if failed is not None:
                return [failed]
        body = self._body(conversion, identity.fields)
        reply = yield self._request(self._conversion_path(), body, conversion)
        return [conversion_outcome(reply)]

    def _identity(self, conversion: Conversion) -> Identity | Withheld:
        if self._settings.identify_by == "external_cid":
            return self._by_external_cid(conversion)
        if self._settings.identify_by == "coupon":
            return self._by_coupon(conversion)
        cid = self._cid(conversion)
        return cid if isinstance(cid, Withheld) else Identity({"cid": cid})

    def _by_external_cid(self, conversion: Conversion) -> Identity | Withheld:
        external_cid = conversion.identifiers.get("trackdesk_external_cid")
        if not external_cid:
            return Withheld("suppressed", "no_external_cid")
        origin = self._settings.revenue_origin_id
        fields = {"externalCid": external_cid, "revenueOriginId": origin}
        if not self._settings.link:
            return Identity(fields)
        cid = self._cid(conversion)
        if isinstance(cid, Withheld):
            return cid
        return Identity(fields, link={**fields, "cid": cid})

    def _by_coupon(self, conversion: Conversion) -> Identity | Withheld:
        if not conversion.promo_code:
            return Withheld("suppressed", "no_coupon")
        origin = self._settings.revenue_origin_id
        codes = [conversion.promo_code]
        return Identity({"couponCodes": codes, "revenueOriginId": origin})

    def _cid(self, conversion: Conversion) -> str | Withheld:
        stored = conversion.identifiers.get("trackdesk_cid")
        if not stored:
            return Withheld("suppressed", "no_click_id")
        click = read_click(stored)
        if click is None:
            return Withheld("suppressed", "unreadable_identifier")
        ours = self._settings.tenant_id.lower()
        if click.tenant_id is not None and click.tenant_id.lower() != ours:
            return Withheld("suppressed", "wrong_tenant")
        return click.cid

    def _amount(self, conversion: Conversion) -> Decimal | None:
        amounts = {"revenue": conversion.revenue, "total": conversion.total}
        return amounts.get(self._settings.amount)

    def _body(
        self, conversion: Conversion, identity: Mapping[str, object]
    ) -> dict[str, object]:
        """Return the conversion (manual, section 2; `trackdesk.md`, section 3).

        `externalId` is on no page of the manual, but without it a repeat is a second
        commission.
        """
        body = {**identity, "conversionTypeCode": self.event}
        amount = self._amount(conversion)
        if amount is not None:
            body["amount"] = {"value": to_text(amount, conversion.currency_digits)}
            if self._settings.send_currency:
                body["currency"] = {"code": conversion.currency}
        body["externalId"] = conversion.order_id
        return body

    def _known_identity(self, conversion: Conversion) -> Identity:
        identity = self._identity(conversion)
        if isinstance(identity, Withheld):
            message = f"not eligible: {identity.reason}"
            raise ValueError(message)  # noqa: TRY004 - the order is wrong, not its type
        return identity

    def _conversion_path(self) -> str:
        if self._settings.identify_by == "external_cid":
            return self._settings.external_cid_conversion_path
        return CONVERSION_PATH

    def _request(
        self, path: str, body: Mapping[str, object], conversion: Conversion
    ) -> Request:
        headers = {"Content-Type": "application/json"}
        if key := self._settings.api_key:
            headers["x-api-key"] = key.get_secret_value()
        return Request(
            method="POST",
            url=self._settings.base_url + path,
            headers=headers,
            body=json_bytes(body),
            path_template=path,
            stored=(_stored_copy(conversion, body),),
        )


def _stored_copy(
    conversion: Conversion, body: Mapping[str, object]
) -> dict[str, object]:
    """Return what the delivery tables may keep of `body`."""
    stored: dict[str, object] = {"order_id": conversion.order_id}
    if "conversionTypeCode" in body:
        stored["conversion_type_code"] = body["conversionTypeCode"]
    if "cid" in body:
        stored["cid"] = body["cid"]
    if "externalCid" in body:
        stored["external_cid"] = fingerprint(str(body["externalCid"]))
    amount = body.get("amount")
    if isinstance(amount, dict):
        stored |= {"amount": amount["value"], "currency": conversion.currency}
    return stored
