"""Convert.com: completed orders as `conversion` events of the Tracking API.

Eligibility, requests and credentials belong here. Sources are "guide" (Convert's
"Creating Custom Integrations") and `convert.md` (what else is known, with its
confidence).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal
from urllib.parse import quote

from assets.money import fits
from assets.providers.base import DataIssue, Exchange, Request, ResendPolicy, limits_of
from assets.providers.conversion import Conversion
from assets.providers.convert.batches import Orders, RequestCapacity, by_visitor, pack
from assets.providers.convert.bisection import bisect_refused
from assets.providers.convert.exposures import bucketing_of, no_bucketing_detail
from assets.providers.convert.replies import outcome_of
from assets.providers.convert.settings import ConvertSettings
from assets.providers.convert.visitors import (
    data_issues,
    stored_copy,
    visitor_entry,
    visitor_id_of,
)
from assets.providers.eligibility import (
    Ineligible,
    amount_too_precise,
    check_common_rules,
    check_identifiers,
    currency_not_accepted,
    not_stored_detail,
)
from assets.providers.encode import json_bytes
from assets.providers.remembered_keys import Key, remembered_key

__all__ = ["Convert", "ConvertSettings"]

USER_AGENT = "ConvertAgent/1.0"
"""Required prefix: requests of bots get a 200 and are dropped (`convert.md` 2)."""

DEFAULT_IN_FLIGHT = 8
"""Small, because a crash leaves the whole batch of each open request uncertain."""


class Convert:
    """One Convert project as a destination.

    Attributes:
        event: The goal.
        limits: The rate limit counts requests. One request holds up to
            `visitors_per_request` visitors with all their orders.
        resend: `never`, because no key makes Convert drop a repeat (`convert.md` 7).
    """

    channel: Literal["http", "outbox"] = "http"

    def __init__(self, settings: ConvertSettings) -> None:
        self._settings = settings
        self.event = settings.goal_id
        self.limits = limits_of(
            settings,
            in_flight=DEFAULT_IN_FLIGHT,
            conversions_per_request=settings.visitors_per_request,
        )
        self.resend = ResendPolicy(
            kind="dedupe" if settings.resend_uncertain else "never"
        )
        secrets = (settings.sdk_key, settings.sdk_key_secret, settings.debug_token)
        self.secrets = tuple(one.get_secret_value() for one in secrets if one)

    def eligibility(self, conversion: Conversion, now: datetime) -> Ineligible | None:
        """Return why `conversion` must not be sent; None: it is eligible."""
        settings = self._settings
        if why := check_common_rules(settings, conversion, now):
            return why
        if why := _check_visitor(conversion):
            return why
        if conversion.currency != settings.currency:
            return currency_not_accepted(conversion, settings.currency)
        if not fits(conversion.revenue, conversion.currency_digits):
            return amount_too_precise(conversion, "revenue")
        bucketing = bucketing_of(conversion, settings)
        if not (bucketing or settings.send_without_bucketing):
            detail = no_bucketing_detail(conversion, settings)
            return Ineligible("suppressed", "no_bucketing", detail)
        return self._check_first_order(conversion)

    def _check_first_order(self, conversion: Conversion) -> Ineligible | None:
        own = conversion.order_id
        holders = [
            conversion.remembered.get(key.digest, own)
            for key in self.relevant_keys(conversion)
        ]
        if holders in ([], [own]):
            return None
        detail = f"order {holders[0]} of the same visitor is reported first"
        return Ineligible("suppressed", "not_first_order", detail)

    def relevant_keys(self, conversion: Conversion) -> Sequence[Key]:
        """Return the key of the visitor's first order, with `first_order_only`.

        Convert's own libraries count a goal once per visitor (`convert.md` 7). With
        `first_order_only`, the exporter does so, too.
        """
        visitor_id = visitor_id_of(conversion)
        if not (self._settings.first_order_only and visitor_id):
            return ()
        return (
            remembered_key("first order", self.event, visitor_id, is_exclusive=True),
        )

    def data_issues(self, conversion: Conversion) -> Sequence[DataIssue]:
        """Return the values that are sent differently from how they are stored."""
        return data_issues(conversion, self._settings)

    def batches(
        self, conversions: Sequence[Conversion]
    ) -> Iterable[Sequence[Conversion]]:
        """Group into batches by visitor, within the limits of visitors and bytes."""
        settings = self._settings
        empty = len(json_bytes(self._body([])))
        capacity = RequestCapacity(
            settings.visitors_per_request, settings.bytes_per_request - empty
        )

        def size_of(orders: Orders) -> int:
            try:
                entry = visitor_entry([conversions[at] for at in orders], settings)
                return len(json_bytes(entry))
            except (ValueError, ArithmeticError, TypeError):
                # It is sent alone: the engine quarantines an order without a request.
                return settings.bytes_per_request

        for positions in pack(by_visitor(conversions), capacity, size_of):
            yield [conversions[position] for position in positions]

    def payload(self, conversion: Conversion) -> bytes:
        """Return the body of a request with this conversion alone."""
        return self._request([conversion], [0]).body

    def exchange(self, batch: Sequence[Conversion]) -> Exchange:
        """Send the batch. Split a refused request, down to single orders."""
        in_order = [at for orders in by_visitor(batch) for at in orders]
        bisection = bisect_refused(in_order)
        requested = next(bisection)
        while True:
            reply = yield self._request(batch, requested)
            outcome = outcome_of(reply, resend_is_safe=self.resend.is_safe)
            try:
                requested = bisection.send(outcome)
            except StopIteration as stop:
                return [stop.value[position] for position in range(len(batch))]

    def _request(
        self, batch: Sequence[Conversion], requested: Sequence[int]
    ) -> Request:
        settings = self._settings
        positions = tuple(sorted(requested))
        path, template = self._path()
        entries = [
            visitor_entry([batch[position] for position in orders], settings)
            for orders in by_visitor(batch, requested)
        ]
        return Request(
            method="POST",
            url=settings.base_url + path,
            headers=self._headers(),
            body=json_bytes(self._body(entries)),
            path_template=template,
            stored=tuple(stored_copy(batch[one], settings) for one in positions),
            positions=positions,
        )

    def _body(self, entries: Sequence[Mapping[str, object]]) -> dict[str, object]:
        settings = self._settings
        return {
            "accountId": settings.account_id,
            "projectId": settings.project_id,
            "enrichData": settings.enrich_data,
            **({"source": settings.source} if settings.source else {}),
            "visitors": entries,
        }

    def _path(self) -> tuple[str, str]:
        settings = self._settings
        if settings.sdk_key is None:
            path = f"/v1/track/{settings.account_id}/{settings.project_id}"
            return path, "/v1/track/{account_id}/{project_id}"
        # A key is often "<account>/<project>": its slash is part of the path.
        key = quote(settings.sdk_key.get_secret_value(), safe="/")
        return f"/v1/track/{key}", "/v1/track/{sdk_key}"

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT}
        if secret := self._settings.sdk_key_secret:
            headers["Authorization"] = f"Bearer {secret.get_secret_value()}"
        if token := self._settings.debug_token:
            headers["convert-debug-token"] = token.get_secret_value()
        return headers


def _check_visitor(conversion: Conversion) -> Ineligible | None:
    """Return why the visitor of the order is unknown, or None."""
    if why := check_identifiers(conversion, "convert_visitor_id"):
        return why
    if not visitor_id_of(conversion):
        detail = not_stored_detail(conversion, "convert_visitor_id", "visitor_id")
        return Ineligible("suppressed", "no_visitor_id", detail)
    return None
