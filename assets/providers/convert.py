"""Convert.com: completed orders as `conversion` events of the Tracking API.

What the destination is told, who is eligible and how a refused batch is taken apart
belong here; the shape of a visitor's entry is in `convert_visitors.py`, the meaning of
replies in `convert_replies.py`. Sources are "guide" (Convert's "Creating Custom
Integrations") and `convert.md` (what else is known, with its confidence).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Annotated, Literal, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator, model_validator

from assets.money import fits, minor_digits
from assets.providers.base import (
    DestinationSettings,
    Exchange,
    Request,
    ResendPolicy,
    Withheld,
    limits_of,
    refuse_mapping,
    withhold,
)
from assets.providers.conversion import Conversion
from assets.providers.convert_replies import outcome_of
from assets.providers.convert_visitors import (
    Visitors,
    by_visitor,
    entry,
    halves,
    stored_copy,
    visitor_id_of,
)
from assets.providers.encode import json_bytes
from assets.providers.replies import Outcome, Phase, Reply, Verdict

USER_AGENT = "ConvertAgent/1.0"
"""Must start so: what looks like a bot is answered 200 and dropped (`convert.md` 2)."""

DEFAULT_IN_FLIGHT = 8
"""Small, because each request a crash cuts off leaves a whole batch uncertain."""

_NOT_SENT = Outcome(verdict=Verdict.RETRYABLE, reason="not_sent")

NumericId = Annotated[str, Field(coerce_numbers_to_str=True, pattern=r"^[0-9]+$")]
GoalId = Annotated[str, Field(coerce_numbers_to_str=True, min_length=1)]


class ConvertSettings(DestinationSettings):
    """One Convert project and the goal that orders count for.

    Attributes:
        account_id: A whole number: it is part of the path (`convert.md`, section 2).
        project_id: Likewise.
        goal_id: A goal of the project that is attached to the experiences.
        currency: The project's one currency: the API has no field for it.
        base_url: Ends before `/v1/track`.
        sdk_key: Takes the place of account and project in the path.
        sdk_key_secret: For a key that has one (`convert.md`, section 2).
        enrich_data: Convert adds the bucketing it has stored for the visitor.
        visitors_per_request: No maximum is documented.
        first_order_only: Not built yet: only False is taken.
        send_without_bucketing: Rely on `enrich_data` where no bucketing is stored.
        resend_uncertain: Risk counting an order twice rather than not at all.
    """

    provider: Literal["convert"]
    base_url: str = "https://metrics.convertexperiments.com"
    require_consent: bool = True
    account_id: NumericId
    project_id: NumericId
    goal_id: GoalId
    currency: str
    sdk_key: SecretStr | None = None
    sdk_key_secret: SecretStr | None = None
    enrich_data: bool = True
    visitors_per_request: int = Field(default=50, ge=1)
    first_order_only: bool = False
    send_without_bucketing: bool = False
    resend_uncertain: bool = False

    @field_validator("base_url")
    @classmethod
    def _must_end_before_the_path(cls, url: str) -> str:
        if url.rstrip("/").endswith(("/v1", "/v1/track")):
            message = "expected an address that ends before /v1/track"
            raise ValueError(message)
        return url

    @field_validator("currency")
    @classmethod
    def _must_be_iso_4217(cls, code: str) -> str:
        minor_digits(code.upper())
        return code.upper()

    _must_map_nothing = field_validator("fields")(refuse_mapping)

    @field_validator("first_order_only")
    @classmethod
    def _must_send_every_order(cls, only_first: bool) -> bool:  # noqa: FBT001
        if only_first:
            message = "not built yet: nothing tells a visitor's first order; use false"
            raise ValueError(message)
        return only_first

    @model_validator(mode="after")
    def _must_fit_together(self) -> Self:
        """Refuse settings that together lose or double what is counted.

        Without enrichment nothing ties an order without bucketing to an experience,
        and the caller has to keep duplicates away (`convert.md`, section 4).
        """
        if self.sdk_key_secret is not None and self.sdk_key is None:
            message = "sdk_key_secret needs sdk_key"
            raise ValueError(message)
        for name in ("send_without_bucketing", "resend_uncertain"):
            if getattr(self, name) and not self.enrich_data:
                message = f"{name} needs enrich_data = true"
                raise ValueError(message)
        return self


class Convert:
    """One Convert project as a destination.

    Attributes:
        event: The goal.
        limits: The cap counts requests; one request holds up to `visitors_per_request`
            visitors with all their orders.
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
        secrets = (settings.sdk_key, settings.sdk_key_secret)
        self.secrets = tuple(one.get_secret_value() for one in secrets if one)

    def eligibility(self, conversion: Conversion, now: datetime) -> Withheld | None:
        """Return why `conversion` is not to be sent, or None where it is."""
        settings = self._settings
        if why := withhold(settings, conversion, now):
            return why
        if not visitor_id_of(conversion):
            return Withheld("suppressed", "no_visitor_id")
        if conversion.currency != settings.currency:
            taken = f"the project counts in {settings.currency}"
            return Withheld("suppressed", "currency_not_taken", taken)
        if not fits(conversion.revenue, conversion.currency_digits):
            return Withheld("quarantined", "amount_precision")
        if not (conversion.bucketing or settings.send_without_bucketing):
            return Withheld("suppressed", "no_bucketing")
        return None

    def batches(
        self, conversions: Sequence[Conversion]
    ) -> Iterable[Sequence[Conversion]]:
        """Cut into batches of so many visitors, each with all its orders."""
        visitors = by_visitor(conversions)
        size = self._settings.visitors_per_request
        for start in range(0, len(visitors), size):
            positions = chain.from_iterable(visitors[start : start + size])
            yield [conversions[position] for position in positions]

    def payload(self, conversion: Conversion) -> bytes:
        """Return the body that would report a conversion alone."""
        return self._request([conversion], by_visitor([conversion])).body

    def exchange(self, batch: Sequence[Conversion]) -> Exchange:
        """Send the batch; send what was refused again in halves, down to one order.

        A refusal covers the whole request and names no event (`convert.md`, section
        5), so one bad order must not take the others with it. Nothing of a refused
        request was counted, and what was accepted is never sent again.
        """
        outcomes: dict[int, Outcome] = {}
        waiting = [by_visitor(batch)]
        while waiting:
            visitors = waiting.pop()
            positions = list(chain.from_iterable(visitors))
            reply = yield self._request(batch, visitors)
            outcome = outcome_of(reply, resend_is_safe=self.resend.is_safe)
            if outcome.verdict is Verdict.REJECTED and len(positions) > 1:
                first, second = halves(visitors)
                waiting += [second, first]
                continue
            outcomes.update(dict.fromkeys(positions, outcome))
            if _is_pointless_to_go_on(reply, outcome):
                break
        return [outcomes.get(position, _NOT_SENT) for position in range(len(batch))]

    def _request(self, batch: Sequence[Conversion], visitors: Visitors) -> Request:
        settings = self._settings
        positions = tuple(sorted(chain.from_iterable(visitors)))
        path, template = self._path()
        body = {
            "accountId": settings.account_id,
            "projectId": settings.project_id,
            "enrichData": settings.enrich_data,
            "visitors": [
                entry([batch[position] for position in orders], self.event)
                for orders in visitors
            ],
        }
        return Request(
            method="POST",
            url=settings.base_url + path,
            headers=self._headers(),
            body=json_bytes(body),
            path_template=template,
            stored=tuple(
                stored_copy(batch[position], self.event) for position in positions
            ),
            positions=positions,
        )

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
        return headers


def _is_pointless_to_go_on(reply: Reply, outcome: Outcome) -> bool:
    unreachable = reply.phase in {Phase.NONE, Phase.CONNECTING}
    return unreachable or outcome.verdict is Verdict.CONFIGURATION
