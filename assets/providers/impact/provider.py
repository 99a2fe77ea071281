"""impact.com: posts one form per order, and follows the queued submission.

Requests and credentials belong here. The form is in `form.py`, the meaning of replies
in `replies.py`.

Source: `shared/providers/impact.md` and the documents it names.
"""

from base64 import b64encode
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import quote

from assets.providers.base import (
    DataIssue,
    Exchange,
    Lookup,
    LookupResult,
    Request,
    ResendPolicy,
    Settlement,
    batches_of_one,
    limits_of,
)
from assets.providers.conversion import Conversion
from assets.providers.eligibility import Ineligible, check_common_rules
from assets.providers.impact.actions import (
    MAX_AGE,
    MAX_RANGE,
    ActionFilter,
    page_query,
    read_actions,
)
from assets.providers.impact.fields import stored_copy
from assets.providers.impact.form import (
    check_form,
    conversion_form,
    data_issues,
    encode_form,
)
from assets.providers.impact.replies import read_conversion_reply
from assets.providers.impact.settings import ImpactSettings
from assets.providers.impact.submissions import (
    ALARMS,
    read_submission,
    without_payload,
)
from assets.providers.mapped_fields import mapped_fields
from assets.providers.replies import Reply

__all__ = ["Impact", "ImpactSettings"]

_IN_FLIGHT = 32
_LIST_LIMIT = 128 * 1024 * 1024
"""Most bytes of a page of actions: 20,000 actions of some kilobytes each."""


class Impact:
    """One advertiser account at impact.com, for one event type.

    Attributes:
        event: The event type: order ids are unique within it only (reference,
            "OrderId").
        resend: impact.com drops a repeat of an order id inside a window
            (`CONV_DUPLICATE`, impact.md 5), so a lost reply may be followed by a
            second copy once the first has left the queue.
    """

    channel: Literal["http", "outbox"] = "http"

    def __init__(self, settings: ImpactSettings) -> None:
        """Set up the account."""
        self._settings = settings
        sid = settings.account_sid.get_secret_value()
        token = settings.auth_token.get_secret_value()
        credentials = b64encode(f"{sid}:{token}".encode()).decode("ascii")
        self._account = f"/Advertisers/{sid}"
        self._headers = {
            "Accept": "application/json",
            "Authorization": f"Basic {credentials}",
            "User-Agent": "attribution-exporter",
        }
        self.secrets: tuple[str, ...] = (token, sid, credentials)
        self.phone_fields = settings.phone_fields
        self.event = settings.event_type_code or str(settings.event_type_id)
        self.limits = limits_of(settings, in_flight=_IN_FLIGHT)
        self.resend = ResendPolicy(
            kind="dedupe",
            window=timedelta(hours=settings.dedup_window_hours),
            settle_delay=timedelta(minutes=settings.settle_delay_minutes),
            supports_lookup=True,
        )
        self.settle_after = timedelta(minutes=settings.settle_after_minutes)
        self.settle_timeout = timedelta(hours=settings.settle_timeout_hours)
        self.settle_calls = settings.settle_requests_per_hour
        self.lookup_calls = settings.lookup_requests_per_hour
        self.lookup_max_range = MAX_RANGE
        self.lookup_max_age = MAX_AGE
        self.alarms = ALARMS

    def eligibility(self, conversion: Conversion, now: datetime) -> Ineligible | None:
        """Return why `conversion` must not be sent; None: it is eligible."""
        return check_common_rules(self._settings, conversion, now) or check_form(
            self._settings, conversion
        )

    def phone_numbers(self, conversion: Conversion) -> Collection[str]:
        """Return the values of call tracking."""
        mapped = mapped_fields(self._settings, conversion)
        return [mapped[name] for name in self.phone_fields if name in mapped]

    def batches(
        self, conversions: Sequence[Conversion]
    ) -> Iterable[Sequence[Conversion]]:
        """Return batches of one: there is no bulk endpoint (impact.md 1)."""
        return batches_of_one(conversions)

    def payload(self, conversion: Conversion) -> bytes:
        """Return the form of a conversion."""
        return self._conversion_request(conversion).body

    def exchange(self, batch: Sequence[Conversion]) -> Exchange:
        """Post one conversion and read the reply."""
        (conversion,) = batch
        reply = yield self._conversion_request(conversion)
        return [read_conversion_reply(reply, f"{self._account}/APISubmissions/")]

    def settlement(self, provider_ref: str, order_id: str) -> Settlement:
        """Ask once about a queued submission.

        The address is built from our own settings, never from a reply, so that our
        credentials are sent nowhere else (impact.md 6).
        """
        reply = yield self._submission_request(provider_ref)
        return read_submission(reply, provider_ref, order_id)

    def storable_body(self, reply: Reply) -> bytes:
        """Return a reply about a submission without its copy of the order."""
        return without_payload(reply)

    def lookup(
        self, order_ids: Collection[str], first: datetime, last: datetime
    ) -> Lookup:
        """Look up orders of a range of times in the list of actions."""
        settings = self._settings
        action_filter = ActionFilter(
            order_ids, settings.event_type_id, settings.event_type_code
        )
        pages = read_actions(action_filter, first, last, settings.lookup_page_size)
        page = next(pages)
        try:
            while True:
                reply = yield self._actions_request(
                    page_query(settings.campaign_id, page, settings.lookup_page_size)
                )
                page = pages.send(reply)
        except StopIteration as done:
            result: LookupResult = done.value
        return result

    def data_issues(self, conversion: Conversion) -> Sequence[DataIssue]:
        """Return the values that are cut: names, categories, notes."""
        return data_issues(self._settings, conversion)

    def _conversion_request(self, conversion: Conversion) -> Request:
        """Return the request of the reference, "Example request"."""
        form = conversion_form(self._settings, conversion)
        return Request(
            method="POST",
            url=f"{self._settings.base_url}{self._account}/Conversions",
            headers={
                **self._headers,
                "Content-Type": "application/x-www-form-urlencoded",
            },
            body=encode_form(form),
            path_template="/Advertisers/{account_sid}/Conversions",
            stored=(stored_copy(form),),
        )

    def _submission_request(self, ref: str) -> Request:
        where = f"{self._account}/APISubmissions/{quote(ref, safe='')}"
        return Request(
            method="GET",
            url=f"{self._settings.base_url}{where}",
            headers=self._headers,
            body=b"",
            path_template="/Advertisers/{account_sid}/APISubmissions/{submission_id}",
        )

    def _actions_request(self, query: str) -> Request:
        return Request(
            method="GET",
            url=f"{self._settings.base_url}{self._account}/Actions?{query}",
            headers=self._headers,
            body=b"",
            path_template="/Advertisers/{account_sid}/Actions",
            reply_limit=_LIST_LIMIT,
        )
