"""What impact.com remembers: submissions, and the actions that came of them.

Sources: `impact.md` sections 5 (duplicates), 6 (submissions) and 7 (actions), from
the submissions and actions specifications named there. HTTP is in `impact.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from pipelines.sandbox.impact.rules import EVENT_TYPES

PENDING = "PENDING"
"""The state of every action here: none is locked or reversed."""


@dataclass(frozen=True)
class Submission:
    """One conversion as it was queued.

    Attributes:
        uri: Where it is looked up; a path, as the provider gives it.
        form: The parameters that have a value.
        error: The reason codes it ends with; "" where it becomes an action.
    """

    uri: str
    account: str
    form: Mapping[str, str]
    at: datetime
    completes_at: datetime
    error: str

    @property
    def event_type(self) -> str:
        """Whichever of the event type's names was sent."""
        return next(self.form[name] for name in EVENT_TYPES if name in self.form)

    def show(self, now: datetime) -> dict[str, object]:
        """The API submission object (`impact.md` section 6)."""
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
        """The action that came of it, as far as a look-up by Oid needs it."""
        campaign = self.form["CampaignId"]
        number = int(self.uri[-6:], 16)
        return {
            "Id": f"{campaign}.{self.event_type}.{number}",
            "CampaignId": campaign,
            "ActionTrackerId": self.event_type,
            "EventCode": self.form.get("EventTypeCode", ""),
            "State": PENDING,
            "Oid": self.form["OrderId"],
            "EventDate": self.form["EventDate"],
            "CreationDate": self.completes_at.isoformat(),
            "Currency": self.form.get("CurrencyCode", ""),
        }


class SubmissionStore:
    """The submissions of all accounts."""

    def __init__(self, settle_after: float) -> None:
        """Starts empty.

        Args:
            settle_after: Seconds until a submission is complete.
        """
        self._settle_after = timedelta(seconds=settle_after)
        self._submissions: dict[str, Submission] = {}
        self._registered: set[tuple[str, str, str]] = set()

    def queue(
        self, account: str, form: Mapping[str, str], at: datetime, error: str
    ) -> Submission:
        """Takes a conversion in; what becomes of it shows in the submission only.

        An OrderId that the event type has registered ends as CONV_DUPLICATE; the
        sandbox's dedup window never closes.

        Args:
            account: The advertiser.
            form: A conversion that passed the checks.
            at: When it came.
            error: The reason codes it is to end with, "" for none.
        """
        # The address is derived, so that loading a journal gives the same ones again.
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
        """The submission of that account and id, if there is one."""
        return self._submissions.get(f"/Advertisers/{account}/APISubmissions/{batch}")

    def actions(self, account: str, now: datetime) -> Iterator[Submission]:
        """The submissions of an account that have become actions."""
        for submission in self._submissions.values():
            settled = now >= submission.completes_at and not submission.error
            if submission.account == account and settled:
                yield submission


def _error_type(error: str) -> str:
    if not error:
        return ""
    return "Contract Error" if "CONTRACT" in error else "Validation"
