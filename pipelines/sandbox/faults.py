"""Fault rules: which requests meet which fault, and the text form of a rule.

`fault_replies.py` makes the reply of a fault, and `responses.py` sends it.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

PROVIDERS = ("impact", "convert", "trackdesk", "idme")

# kind -> pattern of its value, and an example
KINDS = {
    "status": (r"[2-5][0-9]{2}(,[0-9]+)?( .+)?", "status=503 or status=503,2"),
    "delay": (r"[0-9]+(\.[0-9]+)?", "delay=2.5"),
    "lost_reply": ("", "lost_reply"),
    "drop": ("", "drop"),
    "half_body": ("", "half_body"),
    "rate_limit": ("([0-9]+)?", "rate_limit or rate_limit=30"),
    "error_in_200": (".*", "error_in_200"),
    "html": ("", "html"),
    "settle": ("[A-Z_]+( [A-Z_]+)*", "settle=CONTRACT_NOT_FOUND"),
}

FORM = "provider[/account]:kind[=value][@rate][~order-regex][#first-n]"
_EXAMPLE = "trackdesk/bumpy:status=503@0.2"
_RULE = re.compile(
    r"(?P<provider>\w+)(/(?P<account>[^:]+))?:(?P<kind>\w+)(=(?P<value>[^@~#]+))?"
    r"(@(?P<rate>[0-9.]+))?(~(?P<order>.+?))?(#first-(?P<first>[1-9][0-9]*))?"
)


@dataclass(frozen=True)
class Fault:
    """One rule.

    Attributes:
        provider: Name of the provider.
        account: The account that it applies to; None for all.
        kind: A key of `KINDS`.
        value: The text after the equals sign; "" if there is none.
        rate: Share of the requests that it applies to, 0 to 1.
        order: Pattern of the order ids that it applies to; None for all requests.
        first: Number of requests for each order that it applies to; None for all.
    """

    provider: str
    account: str | None
    kind: str
    value: str = ""
    rate: float = 1.0
    order: re.Pattern[str] | None = None
    first: int | None = None

    @property
    def name(self) -> str:
        """Kind and value, as in the journal."""
        return f"{self.kind}={self.value}" if self.value else self.kind


def parse(text: str) -> Fault:
    """Parse the text form of a fault.

    `status=503,2` adds `Retry-After: 2`; `status=403 conversion limit reached` sets
    the message; `rate_limit=30` sets the wait; `settle=CONTRACT_NOT_FOUND` ends the
    submission with that reason (impact only). A rule with an order regex applies only
    to requests that carry an order, so that `~.` does not apply to look-ups.

    Raises:
        ValueError: The text is not a fault; the message has the form and an example.
    """
    match = _RULE.fullmatch(text)
    if match is None:
        raise _refusal(text, f"expected {FORM}")
    kind, value = match["kind"], match["value"] or ""
    if match["provider"] not in PROVIDERS:
        raise _refusal(text, f"expected a provider of {', '.join(PROVIDERS)}")
    if kind not in KINDS:
        raise _refusal(text, f"expected a kind of {', '.join(KINDS)}")
    form, example = KINDS[kind]
    if not re.fullmatch(form, value):
        raise _refusal(text, f"expected {kind} to be written {example}")
    if kind == "settle" and match["provider"] != "impact":
        raise _refusal(text, "expected impact, the only provider that settles")
    return Fault(
        provider=match["provider"],
        account=match["account"],
        kind=kind,
        value=value,
        rate=_rate(text, match["rate"]),
        order=_order(text, match["order"]),
        first=int(match["first"]) if match["first"] else None,
    )


class Faults:
    """Selects the fault of each request; the first rule that applies wins."""

    def __init__(self, rules: Iterable[Fault], seed: str) -> None:
        """Create the selector; the same seed repeats the same choices."""
        self._rules = tuple(rules)
        self._seed = seed
        self._attempts: Counter[tuple[int, str, str]] = Counter()

    def pick(
        self, provider: str, account: str, order_ids: list[str], subject: str
    ) -> Fault | None:
        """Return the fault of a request, if any.

        Args:
            provider: Name of the provider.
            account: The account in the path.
            order_ids: The orders in the request.
            subject: Key by which a request without an order is counted.
        """
        for position, rule in enumerate(self._rules):
            if rule.provider != provider or rule.account not in (None, account):
                continue
            subjects = order_ids or [subject]
            if rule.order is not None:
                subjects = [one for one in order_ids if rule.order.search(one)]
            if subjects and self._applies(position, account, subjects[0]):
                return rule
        return None

    def _applies(self, position: int, account: str, subject: str) -> bool:
        rule = self._rules[position]
        self._attempts[position, account, subject] += 1
        attempt = self._attempts[position, account, subject]
        if rule.first is not None and attempt > rule.first:
            return False
        drawn = f"{self._seed}|{rule.provider}|{account}|{subject}|{attempt}"
        digest = hashlib.sha256(drawn.encode(errors="replace")).digest()
        return int.from_bytes(digest[:8]) < rule.rate * 2**64


def _rate(text: str, rate: str | None) -> float:
    try:
        value = 1.0 if rate is None else float(rate)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise _refusal(text, "expected a rate from 0 to 1 after the @")
    return value


def _order(text: str, regex: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(regex) if regex else None
    except re.error as error:
        why = f"expected a regular expression after the ~ ({error})"
        raise _refusal(text, why) from error


def _refusal(text: str, why: str) -> ValueError:
    return ValueError(f"{text!r} is not a fault: {why}, for example {_EXAMPLE}")
