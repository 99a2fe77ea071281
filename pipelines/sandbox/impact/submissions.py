"""The state of impact.com: submissions, and the actions that they became.

Sources: `impact.md` sections 5 (duplicates), 6 (submissions) and 7 (actions), from
the submissions and actions specifications named there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from pipelines.sandbox.impact.fields import NOW
from pipelines.sandbox.impact.rules import EVENT_TYPES

PENDING = "PENDING"
"""The state of every action; the sandbox locks and reverses none."""


@dataclass(frozen=True)
class Submission:
    """One queued conversion.

    Attributes:
        uri: Path at which it is looked up.
        account: The advertiser.
        form: The parameters that have a value.
        at: Time of the request.
        completes_at: Time from which it is complete.
        error: The reason codes that it ends with; "" if it becomes an action.
    """

    uri: str
    account: str
    form: Mapping[str, str]
    at: datetime
    completes_at: datetime
    error: str

    @property
    def event_type(self) -> str:
        """The event type, under whichever name it was sent."""
        return next(self.form[name] for name in EVENT_TYPES if name in self.form)

    @property
    def event_date(self) -> str:
        """The time of the event, in ISO 8601."""
        given = self.form["EventDate"]
        return self.at.isoformat() if given == NOW else given

    def show(self, now: datetime) -> dict[str, object]:
        """Return the API submission object (`impact.md` section 6)."""
        complete = now >= self.completes_at
        return {
            "BatchId": self.uri.rpartition("/")[2],
            "AccountId": self.account,
            "SubmissionDate": self.at.isoformat(),
            "Type": "Conversion",
            "Status": "Complete" if complete else "Queued",
            "CompletionDate": self.completes_at.isoformat() if complete else "",
            "CampaignId": self.form["CampaignId"],
            "ActionTrackerId": self.event_type,
            "MediaPartnerId": self.form.get("MediaPartnerId", ""),
            "EventCode": self.form.get("EventTypeCode", ""),
            "OrderId": self.form["OrderId"],
            "ErrorType": _error_type(self.error) if complete else "",
            "ErrorReason": self.error if complete else "",
            "Payload": dict(self.form),
            "Uri": self.uri,
        }

    def show_action(self) -> dict[str, object]:
        """Return the action, with the fields that a look-up by Oid needs."""
        campaign = self.form["CampaignId"]
        number = int(self.uri[-6:], 16)
        return {
            "Id": f"{campaign}.{self.event_type}.{number}",
            "CampaignId": campaign,
            "ActionTrackerId": self.event_type,
            "EventCode": self.form.get("EventTypeCode", ""),
            "State": PENDING,
            "Oid": self.form["OrderId"],
            "EventDate": self.event_date,
            "CreationDate": self.completes_at.isoformat(),
            "Currency": self.form.get("CurrencyCode", ""),
        }


class SubmissionStore:
    """The submissions of all accounts."""

    def __init__(self, settle_after: float) -> None:
        """Create an empty store.

        Args:
            settle_after: Seconds until a submission is complete.
        """
        self._settle_after = timedelta(seconds=settle_after)
        self._submissions: dict[str, Submission] = {}
        self._registered: set[tuple[str, str, str]] = set()

    def queue(
        self, account: str, form: Mapping[str, str], at: datetime, error: str
    ) -> Submission:
        """Queue a conversion; only its submission shows the outcome.

        A repeated OrderId of the same event type ends as CONV_DUPLICATE, without a time
        limit.

        Args:
            account: The advertiser.
            form: A conversion that passed the checks.
            at: Time of the request.
            error: The reason codes that it ends with; "" for none.
        """
        # The address is derived, so that it is the same when a journal is loaded.
        batch = uuid5(NAMESPACE_URL, f"{account}/{len(self._submissions)}")
        uri = f"/Advertisers/{account}/APISubmissions/A-{batch}"
        event_type = next(form[name] for name in EVENT_TYPES if name in form)
        key = account, event_type, form["OrderId"]
        if not error and key in self._registered:
            error = "CONV_DUPLICATE"
        if not error:
            self._registered.add(key)
        completes_at = at + self._settle_after
        submission = Submission(uri, account, form, at, completes_at, error)
        self._submissions[uri] = submission
        return submission

    def find(self, account: str, batch: str) -> Submission | None:
        """Return the submission of an account by its id, if there is one."""
        return self._submissions.get(f"/Advertisers/{account}/APISubmissions/{batch}")

    def actions(self, account: str, now: datetime) -> Iterator[Submission]:
        """Yield the submissions of an account that have become actions."""
        for submission in self._submissions.values():
            settled = now >= submission.completes_at and not submission.error
            if submission.account == account and settled:
                yield submission


def _error_type(error: str) -> str:
    if not error:
        return ""
    return "Contract Error" if "CONTRACT" in error else "Validation"
