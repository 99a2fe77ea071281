"""Reads the click id of Trackdesk, stored as the bare id or as the whole cookie."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from assets.providers.replies import read_json

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MAX_DECODINGS = 2


@dataclass(frozen=True, slots=True)
class Click:
    """One click of one tenant.

    Attributes:
        tenant_id: None if the click id was stored without its cookie.
    """

    cid: str
    tenant_id: str | None = None


def read_click(stored: str) -> Click | None:
    """Return the click in `stored`, or None if its form is unknown.

    The cookie `trakdesk_cid` holds `{"tenantId": "..", "cid": "<uuid>"}`. It is often
    percent-encoded, and twice if it passed through a form or a log (`trackdesk.md`,
    section 4: third party).
    """
    text = stored
    for _ in range(1 + _MAX_DECODINGS):
        if _UUID.fullmatch(text):
            return Click(text)
        cookie = read_json(text.encode(errors="replace"))
        if cookie is not None:
            return _click_of(cookie)
        text = unquote(text)
    return None


def _click_of(cookie: object) -> Click | None:
    if not isinstance(cookie, dict):
        return None
    cid, tenant_id = cookie.get("cid"), cookie.get("tenantId")
    if not isinstance(tenant_id, str) or not isinstance(cid, str):
        return None
    return Click(cid, tenant_id) if _UUID.fullmatch(cid) else None
