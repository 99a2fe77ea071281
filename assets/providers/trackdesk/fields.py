"""The data of a conversion at Trackdesk: the JSON body, or a row of the import."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from decimal import Decimal

from assets.money import to_text
from assets.providers.base import DataIssue, placeholder_issue
from assets.providers.conversion import Conversion
from assets.providers.eligibility import Ineligible
from assets.providers.encode import fingerprint
from assets.providers.mapped_fields import mapped_fields, placeholder_hashes
from assets.providers.placeholders import is_placeholder, is_placeholder_id
from assets.providers.trackdesk.identity import has_placeholder_coupon
from assets.providers.trackdesk.settings import (
    ADV_FIELDS,
    CSV_COLUMNS,
    STATUS_FIELD,
    STATUSES,
    TYPE_FIELD,
    TrackdeskSettings,
)

_STATUS_PREFIX = "CONVERSION_STATUS_"
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_CODES = (TYPE_FIELD, STATUS_FIELD)


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
    mapped = _mapped(settings, conversion)
    code = mapped.pop(TYPE_FIELD, settings.conversion_type_code)
    body: dict[str, object] = {**identity, TYPE_FIELD: code}
    amount = amount_of(settings, conversion)
    if amount is not None:
        # "must be a string" (manual, section 2).
        body["amount"] = {"value": to_text(amount, conversion.currency_digits)}
        if settings.send_currency:
            body["currency"] = {"code": conversion.currency}
    body["externalId"] = conversion.order_id
    if customer_id := mapped.pop("customerId", None):
        body["customerId"] = customer_id
    if status := mapped.pop(STATUS_FIELD, settings.status):
        body[STATUS_FIELD] = f"{_STATUS_PREFIX}{_status(status).upper()}"
    if mapped:
        body["customParams"] = {name: mapped[name] for name in sorted(mapped)}
    return body


def check_status(
    settings: TrackdeskSettings, conversion: Conversion
) -> Ineligible | None:
    """Return why the mapped status cannot be sent; None: it can.

    A status decides what a partner is paid, so a wrong one is never left out.
    """
    stored = _mapped(settings, conversion).get(STATUS_FIELD)
    if stored is None or _status(stored) in STATUSES:
        return None
    detail = f"{STATUS_FIELD} is none of {', '.join(STATUSES)}"
    return Ineligible("quarantined", "unfit_field", detail)


def data_issues(
    settings: TrackdeskSettings, conversion: Conversion
) -> Sequence[DataIssue]:
    """Return the placeholders that are left out."""
    stored = mapped_fields(settings, conversion)
    subjects = [name for name in sorted(stored) if _is_left_out(name, stored[name])]
    subjects += placeholder_hashes(settings, conversion)
    if has_placeholder_coupon(settings, conversion):
        subjects.append("couponCodes")
    return list(map(placeholder_issue, subjects))


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
    if TYPE_FIELD in body:
        code = str(body[TYPE_FIELD])
        is_code = _CODE.fullmatch(code) is not None
        stored["conversion_type_code"] = code if is_code else fingerprint(code)
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
    return {
        name: value.strip() if name in _CODES else value
        for name, value in mapped_fields(settings, conversion).items()
        if value.strip() and not _is_left_out(name, value)
    }


def _is_left_out(name: str, value: str) -> bool:
    """Tell whether a value is a placeholder where one would be somebody or a code."""
    if not value.strip():
        return False
    return (name == "customerId" and is_placeholder_id(value)) or (
        name in _CODES and is_placeholder(value)
    )


def _status(stored: str) -> str:
    return stored.lower().removeprefix(_STATUS_PREFIX.lower())


def _nested(body: Mapping[str, object], name: str, part: str) -> object:
    found = body.get(name)
    return found[part] if isinstance(found, dict) else None


def _instant(conversion: Conversion) -> str:
    utc = conversion.completed_at.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="seconds") + "Z"
