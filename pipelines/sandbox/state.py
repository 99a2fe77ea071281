"""The sandbox as a whole: providers, faults, journal, and counts of what happened.

No HTTP here: `Sandbox.receive` takes a request apart, lets a fault or the provider
answer it, and writes the journal. What each provider remembers is in its module.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

from pipelines.sandbox.convert.api import Convert
from pipelines.sandbox.exchange import Operation, Provider, Reply, Request
from pipelines.sandbox.faults import Fault, Faults, parse
from pipelines.sandbox.idme.api import IdMe
from pipelines.sandbox.impact.api import Impact
from pipelines.sandbox.journal import Entry, Journal
from pipelines.sandbox.replies import reply_instead
from pipelines.sandbox.routing import find_operation, split_target
from pipelines.sandbox.trackdesk.api import Trackdesk

_SECRET_HEADERS = ("authorization", "x-api-key")


@dataclass(frozen=True)
class Exchange:
    """One request's reply, and the fault that decides how the reply travels."""

    reply: Reply
    fault: Fault | None


class Sandbox:
    """Stands in for the four providers."""

    def __init__(
        self,
        *,
        journal: Journal | None = None,
        faults: Iterable[str] = (),
        seed: str = "sandbox",
        secrets: Mapping[str, str] | None = None,
        settle_after: float = 0.0,
        future_tolerance: float = 300.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_entry: Callable[[Entry], None] = lambda _entry: None,
    ) -> None:
        """Sets up the providers and loads what the journal remembers.

        Args:
            journal: Where requests are written; one in memory by default.
            faults: Faults in their text form (`faults.parse`).
            seed: Decides, with order and try, what a fault's rate hits.
            secrets: `provider/account` -> the secret that requests must carry; an
                account that is not named takes any.
            settle_after: Seconds until an impact.com submission is complete.
            future_tolerance: Seconds that an impact.com event may lie ahead.
            now: The clock.
            on_entry: Called with each journal entry as it is written.
        """
        secrets = secrets or {}
        providers: tuple[Provider, ...] = (
            Impact(secrets, settle_after, future_tolerance),
            Convert(secrets),
            Trackdesk(secrets),
            IdMe(),
        )
        self.providers = {provider.name: provider for provider in providers}
        self.journal = journal or Journal()
        self._seed = seed
        self._now = now
        self._on_entry = on_entry
        self._effects: defaultdict[tuple[str, str], Counter[str]]
        self._effects = defaultdict(Counter)
        self._requests: defaultdict[tuple[str, str], Counter[str]]
        self._requests = defaultdict(Counter)
        self.misbehave(*faults)
        for entry in self.journal.load():
            self._restore(entry)

    def misbehave(self, *faults: str) -> None:
        """Replaces the faults and forgets how often they struck; none ends them."""
        self._faults = Faults([parse(fault) for fault in faults], self._seed)

    def effects(self, provider: str, account: str | None = None) -> dict[str, int]:
        """Order id -> how many times it took effect, for one or all accounts."""
        return _sum(self._effects, provider, account)

    def requests(self, provider: str, account: str | None = None) -> dict[str, int]:
        """Order id -> how many requests carried it, whatever became of them."""
        return _sum(self._requests, provider, account)

    def receive(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Exchange:
        """Answers one request and writes it to the journal.

        Args:
            method: The HTTP method.
            target: Path and query as sent, with the provider's prefix.
            headers: Names in lower case.
            body: The bytes of the body.
        """
        provider = self.providers[split_target(target)[0]]
        operation, request = self._read(
            method, target, headers, provider.parse(body), self._now()
        )
        order_ids = provider.order_ids(request.body)
        subject = sha256(target.encode() + body).hexdigest()
        fault = self._faults.pick(provider.name, request.account, order_ids, subject)
        accepted, reply = _answer(provider, operation, request, fault)
        cut = fault is not None and fault.kind in ("drop", "lost_reply")
        self._record(
            Entry(
                at=request.at.isoformat(),
                provider=provider.name,
                account=request.account,
                method=method,
                path=target,
                status=None if cut else reply.status,
                headers=_without_secrets(headers),
                body=request.body,
                order_ids=order_ids,
                accepted=accepted,
                applied=reply.applied,
                fault=fault.name if fault else None,
                reply=reply.body,
                path_template=operation.template,
            )
        )
        return Exchange(reply, fault)

    def _read(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: object,
        at: datetime,
    ) -> tuple[Operation, Request]:
        name, path, query = split_target(target)
        operation, parts = find_operation(self.providers[name], method, path)
        account = parts.get("account", "")
        return operation, Request(name, account, parts, query, headers, body, at)

    def _record(self, entry: Entry) -> None:
        self._count(entry)
        self.journal.append(entry)
        self._on_entry(entry)

    def _count(self, entry: Entry) -> None:
        key = entry.provider, entry.account
        self._requests[key].update(set(entry.order_ids))
        if entry.applied:
            self._effects[key].update(entry.order_ids)

    def _restore(self, entry: Entry) -> None:
        self._count(entry)
        operation, request = self._read(
            entry.method,
            entry.path,
            entry.headers,
            entry.body,
            datetime.fromisoformat(entry.at),
        )
        if entry.accepted and entry.method == "POST":
            operation.apply(_settling(request, entry.fault))


def _answer(
    provider: Provider, operation: Operation, request: Request, fault: Fault | None
) -> tuple[bool, Reply]:
    """Whether the provider took the request into its books, and the reply."""
    instead = reply_instead(fault, provider) if fault else None
    instead = instead or operation.refuse(request)
    if instead is not None:
        return False, instead
    return True, operation.apply(_settling(request, fault.name if fault else None))


def _settling(request: Request, fault: str | None) -> Request:
    kind, _, code = (fault or "").partition("=")
    return replace(request, settle_code=code) if kind == "settle" else request


def _without_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: "present" if name in _SECRET_HEADERS else value
        for name, value in headers.items()
    }


def _sum(
    counts: Mapping[tuple[str, str], Counter[str]], provider: str, account: str | None
) -> dict[str, int]:
    total: Counter[str] = Counter()
    for (name, one), orders in list(counts.items()):
        if name == provider and account in (None, one):
            total.update(dict(orders))  # a copy: the server thread adds to it
    return dict(total)
