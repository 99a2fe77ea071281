"""ID.me: the documented "Order Completed" event, to an outbox or to a configured URL.

ID.me publishes a browser SDK and no server-side endpoint, so no address, header or
authentication is made up here: without `endpoint_url` the event is written for a
person to hand over (`shared/providers/idme.md`, section 1). Payload and replies of
this one provider belong here, nothing else.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import Field, field_validator

from assets.money import fits, from_minor, to_minor
from assets.providers.base import (
    DestinationSettings,
    Exchange,
    Request,
    ResendPolicy,
    Withheld,
    checked_url,
    limits_of,
    one_by_one,
    withhold,
)
from assets.providers.conversion import Conversion, Item
from assets.providers.encode import json_bytes
from assets.providers.replies import (
    Outcome,
    Phase,
    Reply,
    Verdict,
    classify,
    is_complete_2xx,
    is_html,
    says_error,
)

EVENT = "Order Completed"
"""The only event name (page, "Event shape": Must be "Order Completed")."""

_TRACKING_ID = "idme_conversion_tracking_id"


class IdMeSettings(DestinationSettings):
    """One application at ID.me.

    Attributes:
        app_id: The SDK's `data-app-id` (page, step 2). Where a server would put it is
            unpublished, so it only makes the event id and is not sent.
        endpoint_url: An address obtained from ID.me. None: events go to the outbox
            and are `staged`, never counted as delivered.
        require_consent: The SDK tracks only on a consent that is exactly true (page,
            "Consent gating"), so this is on by default.
        base_url: Not to be set: ID.me publishes no address that paths could follow.
    """

    provider: Literal["idme"]
    base_url: str = ""
    app_id: str = Field(min_length=1)
    endpoint_url: str | None = None
    require_consent: bool = True

    @field_validator("base_url")
    @classmethod
    def _must_not_be_set(cls, _: str) -> str:
        message = "ID.me publishes no address; set endpoint_url to the one it gave you"
        raise ValueError(message)

    @field_validator("endpoint_url")
    @classmethod
    def _must_be_private_too(cls, url: str | None) -> str | None:
        if url is not None:
            checked_url(url)
        return url

    @field_validator("fields")
    @classmethod
    def _must_be_empty(cls, fields: dict[str, str]) -> dict[str, str]:
        if fields:
            message = "ID.me is told a closed list of properties; nothing can be mapped"
            raise ValueError(message)
        return fields


class IdMe:
    """One application at ID.me.

    Attributes:
        resend: Order id and event id are the same on every attempt, "so downstream
            systems can dedupe" (page, "properties.orderId"); that ID.me itself drops
            repeats is not verified (idme.md 6).
    """

    event = EVENT

    def __init__(self, settings: IdMeSettings) -> None:
        """Take the application as configured."""
        self._settings = settings
        url = settings.endpoint_url
        self.channel: Literal["http", "outbox"] = "outbox" if url is None else "http"
        self.secrets: tuple[str, ...] = () if url is None else (url,)
        self.limits = limits_of(settings, in_flight=1)
        self.resend = ResendPolicy(kind="dedupe")

    def eligibility(self, conversion: Conversion, now: datetime) -> Withheld | None:
        """Return why `conversion` is not to be sent, or None where it is.

        Without a tracking id the documented call is a no-op (page, step 2), so the
        order is suppressed, not failed.
        """
        withheld = withhold(self._settings, conversion, now)
        if withheld:
            return withheld
        if not _tracking_id(conversion):
            return Withheld("suppressed", "no_tracking_id")
        digits = conversion.currency_digits
        if not all(fits(amount, digits) for amount in _amounts(conversion).values()):
            return Withheld("quarantined", "amount_precision")
        return None

    def batches(
        self, conversions: Sequence[Conversion]
    ) -> Iterable[Sequence[Conversion]]:
        """One event a request: the SDK's call takes one order (page, step 2)."""
        return one_by_one(conversions)

    def payload(self, conversion: Conversion) -> bytes:
        """Return the event of a conversion."""
        return self._request(conversion).body

    def exchange(self, batch: Sequence[Conversion]) -> Exchange:
        """Hand over one event and read the reply, if anybody gives one."""
        (conversion,) = batch
        reply = yield self._request(conversion)
        return [_outcome(reply, self.channel)]

    def _request(self, conversion: Conversion) -> Request:
        body = json_bytes(order_completed(self._settings.app_id, conversion))
        url = self._settings.endpoint_url
        return Request(
            method="POST",
            url="outbox:" if url is None else url,
            headers={
                "Accept": "application/json",
                "Content-Type": "application/json",
                "User-Agent": "attribution-exporter",
            },
            body=body,
            path_template="outbox:" if url is None else "{endpoint_url}",
            stored=(json.loads(body, parse_float=str, parse_int=str),),
        )


def order_completed(app_id: str, conversion: Conversion) -> dict[str, object]:
    """Return the envelope of one order (page, "Event shape"; idme.md 3).

    `timestamp` is the time of the order, not of the export. `context` is left out:
    its contents are unpublished. `discount` is the order's discount and those of its
    lines together: the page says only "Numbers", and lines have no discount of their
    own in it, so this alone makes prices x quantities - discount = revenue.
    """
    utc = conversion.completed_at.astimezone(UTC).replace(tzinfo=None)
    return {
        "event": EVENT,
        "eventId": event_id(app_id, conversion.order_id),
        "timestamp": utc.isoformat(timespec="seconds") + "Z",
        "conversionTrackingId": _tracking_id(conversion),
        "properties": _properties(conversion),
    }


def event_id(app_id: str, order_id: str) -> str:
    """Return the same UUID for the same order of the same application, always.

    A new one per attempt would lose the second handle for dropping repeats (idme.md
    8). Version 8 of RFC 9562: bits of a sha256, not of a random number.
    """
    bits = bytearray(hashlib.sha256(json_bytes([app_id, order_id])).digest()[:16])
    bits[6] = bits[6] & 0x0F | 0x80
    bits[8] = bits[8] & 0x3F | 0x80
    return str(UUID(bytes=bytes(bits)))


def _tracking_id(conversion: Conversion) -> str | None:
    value = conversion.identifiers.get(_TRACKING_ID)
    return value if value and value.strip() else None


def _amounts(conversion: Conversion) -> dict[str, Decimal]:
    of_lines = sum((item.discount for item in conversion.items), Decimal(0))
    return {
        "total": conversion.total,
        "revenue": conversion.revenue,
        "shipping": conversion.shipping,
        "tax": conversion.tax,
        "discount": conversion.discount + of_lines,
    }


def _properties(conversion: Conversion) -> dict[str, object]:
    digits = conversion.currency_digits
    lines = sorted(conversion.items, key=lambda item: item.line_no)
    products = [_product(item, digits) for item in lines]
    return _stored_only(
        {
            "orderId": conversion.order_id,
            **{n: _money(amount, digits) for n, amount in _amounts(conversion).items()},
            "currency": conversion.currency,
            "coupon": conversion.promo_code,
            "affiliation": conversion.affiliation,
            "products": products or None,
        }
    )


def _product(item: Item, digits: int) -> dict[str, object]:
    return _stored_only(
        {
            "productId": item.product_id,
            "sku": item.sku,
            "name": item.name,
            "brand": item.brand,
            "category": item.category,
            "variant": item.variant,
            "price": _price(item.unit_price, digits),
            "quantity": _quantity(item.quantity),
        }
    )


def _stored_only(values: Mapping[str, object]) -> dict[str, object]:
    return {name: v for name, v in values.items() if v is not None and v != ""}


def _money(amount: Decimal, digits: int) -> Decimal:
    return from_minor(to_minor(amount, digits), digits)


def _price(price: Decimal, digits: int) -> Decimal:
    """A price per metre or litre may be finer than the currency: sent as it is."""
    return _money(price, digits) if fits(price, digits) else price.normalize()


def _quantity(quantity: Decimal) -> int | Decimal:
    whole = quantity == quantity.to_integral_value()
    return int(quantity) if whole else quantity.normalize()


def _outcome(reply: Reply, channel: Literal["http", "outbox"]) -> Outcome:
    """Read a reply: nothing is published, so the general table holds (idme.md 5)."""
    if channel == "outbox" and reply.phase is Phase.DONE and reply.status is None:
        return Outcome(verdict=Verdict.STAGED)
    general = classify(reply, resend_is_safe=True)
    if not is_complete_2xx(reply):
        return general
    if is_html(reply) or says_error(reply.body):
        return replace(general, reason="unclear_reply")
    return Outcome(verdict=Verdict.ACCEPTED)
