"""The simulator: providers, faults, journal, and counts of requests and effects.

`Sandbox.receive` parses a request, lets a fault or the provider reply, and writes the
journal. It knows no HTTP library. The state of a provider is in its own package.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

from pipelines.sandbox.convert.api import Convert
from pipelines.sandbox.fault_replies import fault_reply
from pipelines.sandbox.faults import Fault, Faults, parse
from pipelines.sandbox.idme.api import IdMe
from pipelines.sandbox.impact.api import Impact
from pipelines.sandbox.journal import Entry, Journal
from pipelines.sandbox.messages import Reply, Request
from pipelines.sandbox.provider import Operation, Provider
from pipelines.sandbox.routing import find_operation, split_target
from pipelines.sandbox.trackdesk.api import Trackdesk

_SECRET_HEADERS = ("authorization", "x-api-key")


@dataclass(frozen=True)
class Exchange:
    """The reply to one request, and the fault that decides how it is sent."""

    reply: Reply
    fault: Fault | None


class Sandbox:
    """Simulates the four providers."""

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
        """Create the providers and restore their state from the journal.

        Args:
            journal: The journal; by default one in memory.
            faults: Faults in their text form (`faults.parse`).
            seed: Selects, with order and try, the requests that the rate of a fault
                applies to.
            secrets: `provider/account` -> the secret that requests must carry; other
                accounts accept any secret.
            settle_after: Seconds until an impact.com submission is complete.
            future_tolerance: Seconds that an impact.com event may lie in the future.
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
        self.set_faults(*faults)
        for entry in self.journal.load():
            self._restore(entry)

    def set_faults(self, *faults: str) -> None:
        """Replace the faults and reset their counts; without arguments, remove them."""
        self._faults = Faults([parse(fault) for fault in faults], self._seed)

    def effects(self, provider: str, account: str | None = None) -> dict[str, int]:
        """Return order id -> number of effects, for one account or all."""
        return _sum(self._effects, provider, account)

    def requests(self, provider: str, account: str | None = None) -> dict[str, int]:
        """Return order id -> number of requests that carried it, with any outcome."""
        return _sum(self._requests, provider, account)

    def receive(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Exchange:
        """Handle one request and write it to the journal.

        Args:
            method: The HTTP method.
            target: Path and query as sent, with the prefix of the provider.
            headers: The headers, names in lower case.
            body: The bytes of the body.
        """
        provider = self.providers[split_target(target)[0]]
        operation, request = self._read(
            method, target, headers, provider.parse(body), self._now()
        )
        order_ids = provider.order_ids(request.body)
        subject = sha256(target.encode() + body).hexdigest()
        fault = self._faults.pick(provider.name, request.account, order_ids, subject)
        accepted, reply = _handle(provider, operation, request, fault)
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
            operation.apply(_with_settle_code(request, entry.fault))


def _handle(
    provider: Provider, operation: Operation, request: Request, fault: Fault | None
) -> tuple[bool, Reply]:
    """Return whether the provider accepted the request, and the reply."""
    refusal = fault_reply(fault, provider) if fault else None
    refusal = refusal or operation.refuse(request)
    if refusal is not None:
        return False, refusal
    return True, operation.apply(
        _with_settle_code(request, fault.name if fault else None)
    )


def _with_settle_code(request: Request, fault: str | None) -> Request:
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
