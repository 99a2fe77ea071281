"""The identifier by which Trackdesk finds the source of a conversion: exactly one."""

from collections.abc import Mapping
from dataclasses import dataclass

from assets.providers.conversion import Conversion
from assets.providers.eligibility import (
    Ineligible,
    check_identifiers,
    not_stored_detail,
)
from assets.providers.placeholders import is_placeholder
from assets.providers.remembered_keys import Key, remembered_key
from assets.providers.trackdesk.cid import read_click
from assets.providers.trackdesk.settings import TrackdeskSettings


@dataclass(frozen=True, slots=True)
class Link:
    """Step A: links an external cid to a click (manual, section 3).

    Attributes:
        key: The remembered key of a linked pair. A new click is another pair.
    """

    body: Mapping[str, object]
    key: Key


@dataclass(frozen=True, slots=True)
class Identity:
    """The identifying fields of a conversion, and the link that they need, if any.

    CID, external CID and coupon exclude each other (`trackdesk.md`, section 3).
    """

    fields: Mapping[str, object]
    link: Link | None = None


def identify(
    settings: TrackdeskSettings, conversion: Conversion
) -> Identity | Ineligible:
    """Return the identity of `conversion`, or why it has none."""
    if settings.identify_by == "external_cid":
        return _by_external_cid(settings, conversion)
    if settings.identify_by == "coupon":
        return _by_coupon(settings, conversion)
    cid = _cid(settings, conversion)
    if isinstance(cid, Ineligible):
        return cid
    return Identity({"cid": cid, **_origin(settings)})


def _by_external_cid(
    settings: TrackdeskSettings, conversion: Conversion
) -> Identity | Ineligible:
    if why := check_identifiers(conversion, "trackdesk_external_cid"):
        return why
    external_cid = conversion.identifiers.get("trackdesk_external_cid")
    if not external_cid or not external_cid.strip():
        detail = not_stored_detail(conversion, "trackdesk_external_cid")
        return Ineligible("suppressed", "no_external_cid", detail)
    fields = {"externalCid": external_cid, **_origin(settings)}
    if not settings.link:
        return Identity(fields)
    cid = _cid(settings, conversion)
    if isinstance(cid, Ineligible):
        return cid
    pair = (settings.tenant_id, *fields.values(), cid)
    return Identity(
        fields, Link({**fields, "cid": cid}, remembered_key("linked", *pair))
    )


def _by_coupon(
    settings: TrackdeskSettings, conversion: Conversion
) -> Identity | Ineligible:
    # A repeated code is one coupon. A dict keeps the order.
    codes = list(
        dict.fromkeys(
            code for code in _coupons(settings, conversion) if not is_placeholder(code)
        )
    )
    if not codes:
        detail = "promo_code is null or names no coupon"
        return Ineligible("suppressed", "no_coupon", detail)
    return Identity({"couponCodes": codes, **_origin(settings)})


def has_placeholder_coupon(settings: TrackdeskSettings, conversion: Conversion) -> bool:
    """Tell whether one of the coupons is a placeholder. It is not sent."""
    return settings.identify_by == "coupon" and any(
        code.strip() and is_placeholder(code) for code in _coupons(settings, conversion)
    )


def _coupons(settings: TrackdeskSettings, conversion: Conversion) -> list[str]:
    stored, separator = conversion.promo_code or "", settings.coupon_separator
    if separator is None:
        return [stored]
    return [code.strip() for code in stored.split(separator)]


def _origin(settings: TrackdeskSettings) -> dict[str, str]:
    origin = settings.revenue_origin_id
    return {} if origin is None else {"revenueOriginId": origin}


def _cid(settings: TrackdeskSettings, conversion: Conversion) -> str | Ineligible:
    if why := check_identifiers(conversion, "trackdesk_cid"):
        return why
    stored = conversion.identifiers.get("trackdesk_cid")
    if not stored:
        detail = not_stored_detail(conversion, "trackdesk_cid")
        return Ineligible("suppressed", "no_click_id", detail)
    click = read_click(stored)
    if click is None:
        detail = "trackdesk_cid is neither a cid nor a cookie of Trackdesk"
        return Ineligible("suppressed", "unreadable_identifier", detail)
    own_tenant = settings.tenant_id.lower()
    if click.tenant_id is not None and click.tenant_id.lower() != own_tenant:
        detail = f"trackdesk_cid is of another tenant than {settings.tenant_id}"
        return Ineligible("suppressed", "wrong_tenant", detail)
    return click.cid
