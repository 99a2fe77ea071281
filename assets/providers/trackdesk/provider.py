"""Trackdesk: completed orders as conversions, one request each.

Eligibility and requests belong here. Sources are "manual" (Trackdesk's page on manual
conversions) and `trackdesk.md` (what else is known, with its confidence).
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
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
)
from assets.providers.conversion import Conversion
from assets.providers.eligibility import (
    Ineligible,
    amount_too_precise,
    check_common_rules,
)
from assets.providers.encode import is_formula, json_bytes
from assets.providers.remembered_keys import Key
from assets.providers.replies import Outcome, Reply
from assets.providers.trackdesk.fields import (
    amount_of,
    check_status,
    conversion_body,
    data_issues,
    import_row,
    stored_copy,
)
from assets.providers.trackdesk.identity import Identity, Link, identify
from assets.providers.trackdesk.replies import (
    SOURCE_NOT_FOUND,
    conversion_outcome,
    link_outcome,
    row_outcome,
)
from assets.providers.trackdesk.settings import (
    CONVERSION_PATH,
    LINK_PATH,
    TYPE_FIELD,
    TrackdeskSettings,
)

DEFAULT_IN_FLIGHT = 32
UNSAFE_IN_FLIGHT = 8
"""Small, because a crash leaves each open request uncertain."""


class Trackdesk:
    """One Trackdesk tenant as a destination.

    Attributes:
        event: The conversion type code.
        resend: `dedupe`: conversion type and `externalId` are the key (help 10290309).
            `never` if the type is mapped: the column may change between two attempts,
            and a repeat under another type would be a second commission.
    """

    def __init__(self, settings: TrackdeskSettings) -> None:
        self._settings = settings
        self.event = settings.conversion_type_code
        self.channel: Literal["http", "csv"] = (
            "csv" if settings.channel == "csv" else "http"
        )
        is_safe = self.channel == "csv" or not settings.has_type_per_order
        self.limits = limits_of(
            settings, in_flight=DEFAULT_IN_FLIGHT if is_safe else UNSAFE_IN_FLIGHT
        )
        self.resend = ResendPolicy(kind="dedupe" if is_safe else "never")
        key = settings.api_key
        self.secrets: tuple[str, ...] = (key.get_secret_value(),) if key else ()

    def eligibility(self, conversion: Conversion, now: datetime) -> Ineligible | None:
        """Return why `conversion` must not be sent; None: it is eligible."""
        if why := check_common_rules(self._settings, conversion, now):
            return why
        identity = identify(self._settings, conversion)
        if isinstance(identity, Ineligible):
            return identity
        amount = amount_of(self._settings, conversion)
        if amount is not None and not fits(amount, conversion.currency_digits):
            return amount_too_precise(conversion, self._settings.amount)
        if why := check_status(self._settings, conversion):
            return why
        if self.channel == "csv":
            return self._refuse_formulas(conversion, identity)
        return None

    def data_issues(self, conversion: Conversion) -> Sequence[DataIssue]:
        """Return the placeholders that are left out."""
        return data_issues(self._settings, conversion)

    def _refuse_formulas(
        self, conversion: Conversion, identity: Identity
    ) -> Ineligible | None:
        """Refuse an id that a spreadsheet would compute.

        Such a cell is written with an apostrophe. An id with an apostrophe would be
        another id, and a repeat a second commission.
        """
        body = conversion_body(self._settings, conversion, identity.fields)
        ids = {
            "order_id": conversion.order_id,
            **identity.fields,
            TYPE_FIELD: body[TYPE_FIELD],
        }
        found = [name for name, value in ids.items() if is_formula(str(value))]
        if not found:
            return None
        detail = f"{', '.join(found)} begins with a sign of formulas"
        return Ineligible("quarantined", "formula_as_id", detail)

    def relevant_keys(self, conversion: Conversion) -> Sequence[Key]:
        """Return the key of the pair that is linked before the conversion, if any."""
        if self._settings.identify_by != "external_cid":
            return ()
        identity = identify(self._settings, conversion)
        if isinstance(identity, Ineligible) or identity.link is None:
            return ()
        return (identity.link.key,)

    def batches(
        self, conversions: Sequence[Conversion]
    ) -> Iterable[Sequence[Conversion]]:
        """Return batches of one: the API accepts one conversion per request."""
        return batches_of_one(conversions)

    def payload(self, conversion: Conversion) -> bytes:
        """Return the body of a conversion. The link before it reports nothing."""
        return self._report(conversion, self._identity(conversion)).body

    def exchange(self, batch: Sequence[Conversion]) -> Exchange:
        """Link the external cid if it is not linked yet, then send the conversion.

        Linked pairs are remembered. If Trackdesk does not know a remembered pair, it
        refuses the conversion. The pair is linked again, and the conversion is sent
        again.
        """
        (conversion,) = batch
        identity = self._identity(conversion)
        report = self._report(conversion, identity)
        if self.channel == "csv":
            return [row_outcome((yield report))]
        link = identity.link
        if link is None:
            return [self._outcome((yield report))]
        if link.key.digest in conversion.remembered:
            outcome = self._outcome((yield report))
            if outcome.reason != SOURCE_NOT_FOUND:
                return [outcome]
        return [(yield from self._link_and_report(conversion, link, report))]

    def _link_and_report(
        self, conversion: Conversion, link: Link, report: Request
    ) -> Generator[Request, Reply, Outcome]:
        reply = yield self._request(LINK_PATH, link.body, conversion, reports=False)
        failed = link_outcome(reply)
        if failed is not None:
            return failed
        outcome = self._outcome((yield report))
        return replace(outcome, remember=(link.key.digest,))

    def _identity(self, conversion: Conversion) -> Identity:
        identity = identify(self._settings, conversion)
        if isinstance(identity, Ineligible):
            message = f"not eligible: {identity.reason}"
            raise ValueError(message)  # noqa: TRY004 - the order is wrong, not its type
        return identity

    def _outcome(self, reply: Reply) -> Outcome:
        return conversion_outcome(
            reply,
            self._settings.duplicate_markers,
            resend_is_safe=self.resend.is_safe,
        )

    def _report(self, conversion: Conversion, identity: Identity) -> Request:
        body = conversion_body(self._settings, conversion, identity.fields)
        if self.channel == "csv":
            row = import_row(self._settings, conversion, body)
            return Request(
                method="POST",
                url="csv:",
                headers={},
                body=json_bytes(row),
                path_template="csv:",
                stored=(stored_copy(conversion, body),),
                order_id=conversion.order_id,
            )
        by_external_cid = self._settings.identify_by == "external_cid"
        path = self._settings.external_cid_conversion_path
        return self._request(
            path if by_external_cid else CONVERSION_PATH, body, conversion
        )

    def _request(
        self,
        path: str,
        body: Mapping[str, object],
        conversion: Conversion,
        *,
        reports: bool = True,
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
            stored=(stored_copy(conversion, body),),
            reports=reports,
        )
