"""The data of a conversion at Trackdesk: the JSON body, or a row of the import."""

from collections.abc import Mapping
from datetime import UTC
from decimal import Decimal

from assets.money import to_text
from assets.providers.conversion import Conversion
from assets.providers.encode import fingerprint
from assets.providers.mapped_fields import mapped_fields
from assets.providers.placeholders import is_person_placeholder
from assets.providers.trackdesk.settings import (
    ADV_FIELDS,
    CSV_COLUMNS,
    TrackdeskSettings,
)


def amount_of(settings: TrackdeskSettings, conversion: Conversion) -> Decimal | None:
    """Return the base of a percentage commission, or None if the payout is fixed."""
    amounts = {"revenue": conversion.revenue, "total": conversion.total}
    return amounts.get(settings.amount)


def conversion_body(
    settings: TrackdeskSettings,
    conversion: Conversion,
    identity: Mapping[str, object],
) -> dict[str, object]:
    """Return the body of a conversion (manual, section 2; `trackdesk.md`, section 3).

    `externalId` is not in the manual, but without it a repeat is a second commission
    (help 10290309).
    """
    body = {**identity, "conversionTypeCode": settings.conversion_type_code}
    amount = amount_of(settings, conversion)
    if amount is not None:
        # "must be a string" (manual, section 2).
        body["amount"] = {"value": to_text(amount, conversion.currency_digits)}
        if settings.send_currency:
            body["currency"] = {"code": conversion.currency}
    body["externalId"] = conversion.order_id
    mapped = _mapped(settings, conversion)
    if customer_id := mapped.pop("customerId", None):
        body["customerId"] = customer_id
    if settings.status is not None:
        body["status"] = f"CONVERSION_STATUS_{settings.status.upper()}"
    if mapped:
        body["customParams"] = {name: mapped[name] for name in sorted(mapped)}
    return body


def import_row(
    settings: TrackdeskSettings, conversion: Conversion, body: Mapping[str, object]
) -> dict[str, str]:
    """Return a conversion as a row of the import, by header (help 8862593).

    It holds the data of the body, and the time of the order. It has a column for either
    CID or External CID, because the import refuses both together.
    """
    params = body.get("customParams", {})
    cells = {
        "CID": body.get("cid"),
        "External CID": body.get("externalCid"),
        "Conversion type": body["conversionTypeCode"],
        "Amount": _nested(body, "amount", "value"),
        "Conversion status": body.get("status"),
        "Currency": _nested(body, "currency", "code"),
        "External ID": body["externalId"],
        "Customer ID": body.get("customerId"),
        **{
            f"Adv S{number}": params.get(name) if isinstance(params, dict) else None
            for number, name in enumerate(ADV_FIELDS, 1)
        },
        "Revenue origin ID": body.get("revenueOriginId"),
        "Created at": _instant(conversion),
    }
    unused = "External CID" if settings.identify_by == "cid" else "CID"
    return {
        settings.csv_headers.get(name, name): str(cells[name] or "")
        for name in CSV_COLUMNS
        if name != unused
    }


def stored_copy(
    conversion: Conversion, body: Mapping[str, object]
) -> dict[str, object]:
    """Return the stored copy of `body`."""
    stored: dict[str, object] = {"order_id": conversion.order_id}
    if "conversionTypeCode" in body:
        stored["conversion_type_code"] = body["conversionTypeCode"]
    for name, column in (("cid", "cid"), ("couponCodes", "coupons")):
        if name in body:
            stored[column] = body[name]
    for name, column in (("externalCid", "external_cid"), ("customerId", "customer")):
        if name in body:
            stored[column] = fingerprint(str(body[name]))
    if "status" in body:
        stored["status"] = body["status"]
    if "amount" in body:
        stored |= {
            "amount": _nested(body, "amount", "value"),
            "currency": conversion.currency,
        }
    return stored


def _mapped(settings: TrackdeskSettings, conversion: Conversion) -> dict[str, str]:
    found = mapped_fields(settings, conversion)
    return {
        name: value
        for name, value in found.items()
        if value.strip() and not (name == "customerId" and is_person_placeholder(value))
    }


def _nested(body: Mapping[str, object], name: str, part: str) -> object:
    found = body.get(name)
    return found[part] if isinstance(found, dict) else None


def _instant(conversion: Conversion) -> str:
    utc = conversion.completed_at.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="seconds") + "Z"
