"""One run of the exporter, described so that another process can do it."""

import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from assets.delivery.destination import Destination
from assets.providers.base import Limits, Provider, ResendPolicy
from assets.providers.conversion import Conversion
from assets.providers.convert.provider import Convert, ConvertSettings
from support.engine import FakeProvider, order

Kind = Literal["dedupe", "never", "convert"]
KINDS: tuple[Kind, ...] = ("dedupe", "never", "convert")
MINOR = 1234
IN_FLIGHT = 8
BATCH = {"dedupe": 1, "never": 1, "convert": 5}


class Point(StrEnum):
    """Where the process that sends is killed."""

    BEFORE_CLAIM = "before the claim"
    IN_CLAIM = "before the commit of the claim"
    AFTER_CLAIM = "after the claim, before the first byte"
    AFTER_BYTES = "after the bytes, before the answer"
    AFTER_ANSWER = "after the answer, before the outcome"
    IN_OUTCOME = "inside the outcome, before its commit"
    IN_COMMIT = "during the commit of the outcome"
    AFTER_SPOOL = "after the outcome was spooled"
    IN_REPLAY = "after the spool was recorded, before it is cleared"
    RANDOM = "at any moment"


IN_A_WINDOW = (
    Point.BEFORE_CLAIM,
    Point.IN_CLAIM,
    Point.AFTER_CLAIM,
    Point.AFTER_BYTES,
    Point.AFTER_ANSWER,
    Point.IN_OUTCOME,
    Point.IN_COMMIT,
)
"""The exact points that every window passes."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the exporter is to do.

    Attributes:
        database: URL of the delivery tables.
        host: `host:port` of the server.
        orders: How many orders the source holds.
        point: Where it kills itself; None: nowhere, or the kill comes from outside.
        window: In which of its windows.
        lease: Seconds for which a claim is held; None: as in the product.
        lock_timeout: Seconds to wait for another run.
        spool: Folder for outcomes that the delivery tables cannot take.
        freezes: It stops at the point (SIGSTOP) instead of dying there.
        busy_seconds: How long SQLite waits for a lock; None: as in the product.
        free_pages: By how many pages a SQLite file may grow before the disk is full.
    """

    database: str
    host: str
    kind: Kind
    orders: int
    run_id: str
    point: Point | None = None
    window: int = 1
    lease: float | None = None
    lock_timeout: float = 30.0
    spool: str | None = None
    freezes: bool = False
    busy_seconds: float | None = None
    free_pages: int | None = None

    def to_line(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> "Job":
        known = json.loads(line)
        point = known.pop("point")
        return cls(**known, point=point and Point(point))


def orders(count: int) -> list[Conversion]:
    """What the source holds: the same orders in every process."""
    return [
        order(
            f"O{number:05}",
            identifiers={"convert_visitor_id": f"v{number}"},
            bucketing={"100": "200"},
            tracking_consent=True,
        )
        for number in range(count)
    ]


def destination(kind: Kind, host: str = "127.0.0.1:1") -> Destination:
    """The destination `shop`, the same in every run of a kind."""
    return Destination(
        name="shop",
        provider_name="convert" if kind == "convert" else "fake",
        provider=_provider(kind, f"http://{host}"),
        mapping_version="m1",
    )


def _provider(kind: Kind, url: str) -> Provider:
    if kind == "convert":
        return Convert(
            ConvertSettings(
                provider="convert",
                base_url=url,
                account_id="1001",
                project_id="2002",
                goal_id="3003",
                currency="USD",
                visitors_per_request=BATCH["convert"],
                in_flight=IN_FLIGHT,
            )
        )
    window = timedelta(hours=24) if kind == "dedupe" else None
    return FakeProvider(
        resend=ResendPolicy(kind=kind, window=window),
        limits=Limits(in_flight=IN_FLIGHT, conversions_per_request=BATCH[kind]),
        url=f"{url}/orders",
    )
