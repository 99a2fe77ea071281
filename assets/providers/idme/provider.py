"""ID.me: the documented "Order Completed" event, to an outbox or to a configured URL.

ID.me publishes a browser SDK and no server-side endpoint. So no address, header or
authentication is invented here: without `endpoint_url`, the event is written to a file
for manual delivery (`idme.md`, section 1). The event itself is in `event.py`.

Source: `idme-conversion-tracking.txt` ("page") and `idme.md`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from assets.money import fits
from assets.providers.base import (
    DataIssue,
    Exchange,
    Request,
    ResendPolicy,
    batches_of_one,
    limits_of,
    placeholder_issue,
)
from assets.providers.conversion import Conversion
from assets.providers.eligibility import (
    Ineligible,
    amount_too_precise,
    check_common_rules,
    check_identifiers,
    not_stored_detail,
)
from assets.providers.encode import json_bytes
from assets.providers.error_in_reply import looks_like_error
from assets.providers.idme.event import (
    EVENT,
    amounts,
    order_completed,
    stored_copy,
    tracking_id,
)
from assets.providers.idme.settings import IdMeSettings
from assets.providers.mapped_fields import placeholder_hashes
from assets.providers.replies import (
    Outcome,
    Phase,
    Reply,
    Verdict,
    classify,
    is_complete_2xx,
    is_html,
)

__all__ = ["IdMe", "IdMeSettings"]

_HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "User-Agent": "attribution-exporter",
}


class IdMe:
    """One application at ID.me.

    Attributes:
        resend: Order id and event id are the same on every attempt, "so downstream
            systems can dedupe" (page, "properties.orderId"). It is not verified that
            ID.me itself drops repeats (idme.md 6). The outbox holds an order once, so a
            repeat is always harmless there.
    """

    event = EVENT

    def __init__(self, settings: IdMeSettings) -> None:
        """Set up the application."""
        self._settings = settings
        url = settings.endpoint_url
        configured = settings.endpoint_headers
        self._configured_headers = {
            name: one.get_secret_value() for name, one in configured.items()
        }
        self.channel: Literal["http", "outbox"] = "outbox" if url is None else "http"
        self.secrets: tuple[str, ...] = tuple(
            one for one in (url, *self._configured_headers.values()) if one
        )
        self.limits = limits_of(settings, in_flight=1)
        self.resend = ResendPolicy(
            kind="dedupe" if url is None else settings.resend_policy
        )

    def eligibility(self, conversion: Conversion, now: datetime) -> Ineligible | None:
        """Return why `conversion` must not be sent; None: it is eligible.

        Without a tracking id, the documented call is a no-op (page, step 2). So the
        order is suppressed; it does not fail.
        """
        ineligible = check_common_rules(self._settings, conversion, now)
        if ineligible:
            return ineligible
        if why := check_identifiers(conversion, "idme_conversion_tracking_id"):
            return why
        if not tracking_id(conversion):
            detail = not_stored_detail(conversion, "idme_conversion_tracking_id")
            return Ineligible("suppressed", "no_tracking_id", detail)
        digits = conversion.currency_digits
        known = amounts(conversion).items()
        finer = [name for name, amount in known if not fits(amount, digits)]
        return amount_too_precise(conversion, *finer) if finer else None

    def data_issues(self, conversion: Conversion) -> Sequence[DataIssue]:
        """Return the mapped values that are left out as hashes of nothing."""
        hashes = placeholder_hashes(self._settings, conversion, in_lists=True)
        return list(map(placeholder_issue, hashes))

    def batches(
        self, conversions: Sequence[Conversion]
    ) -> Iterable[Sequence[Conversion]]:
        """Return batches of one: the SDK's call accepts one order (page, step 2)."""
        return batches_of_one(conversions)

    def payload(self, conversion: Conversion) -> bytes:
        """Return the event of a conversion."""
        return json_bytes(order_completed(self._settings, conversion))

    def exchange(self, batch: Sequence[Conversion]) -> Exchange:
        """Send one event, and read the reply if there is one."""
        (conversion,) = batch
        reply = yield self._request(conversion)
        return [self._outcome(reply)]

    def _request(self, conversion: Conversion) -> Request:
        body = self.payload(conversion)
        url = self._settings.endpoint_url
        return Request(
            method="POST",
            url="outbox:" if url is None else url,
            headers=self._headers(),
            body=body,
            path_template="outbox:" if url is None else "{endpoint_url}",
            stored=(stored_copy(self._settings, body),),
            order_id=conversion.order_id,
        )

    def _headers(self) -> dict[str, str]:
        configured = {name.lower() for name in self._configured_headers}
        defaults = {
            name: one
            for name, one in _HEADERS.items()
            if name.lower() not in configured
        }
        return defaults | self._configured_headers

    def _outcome(self, reply: Reply) -> Outcome:
        """Apply the general table: nothing is published about replies (idme.md 5)."""
        written = reply.phase is Phase.DONE and reply.status is None
        if self.channel == "outbox" and written:
            return Outcome(verdict=Verdict.STAGED)
        general = classify(reply, resend_is_safe=self.resend.is_safe)
        if not is_complete_2xx(reply):
            return general
        if is_html(reply) or looks_like_error(reply.body):
            return replace(general, reason="unclear_reply")
        return Outcome(verdict=Verdict.ACCEPTED)
