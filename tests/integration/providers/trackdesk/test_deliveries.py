"""Trackdesk through the engine, to a sandbox that has read the documents itself."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

import pytest
from sqlalchemy import select

from assets.delivery.destination import Destination
from assets.delivery.run import deliver
from assets.ledger.database import Database
from assets.ledger.tables import delivery
from assets.providers.base import Request
from assets.providers.conversion import Conversion
from assets.providers.replies import Phase, Reply
from assets.providers.trackdesk.provider import Trackdesk
from pipelines.sandbox.simulator import Sandbox
from support.engine import Chunk, Clock
from support.trackdesk_account import BY_COUPON, BY_EXTERNAL_CID, CID, trackdesk

LONG = {"postgresql"}

MakeConversion = Callable[..., Conversion]

LOOPBACK = "http://127.0.0.1:1"
URL = f"{LOOPBACK}/trackdesk/acme"
OTHER_CID = CID.replace("2d", "3e")


@dataclass
class Wire:
    """Brings requests to a sandbox in this process; loses the replies it is told to."""

    sandbox: Sandbox
    loses: list[str] = field(default_factory=list)

    def send(self, request: Request) -> Reply:
        target = request.url.removeprefix(LOOPBACK)
        headers = {name.lower(): value for name, value in request.headers.items()}
        found = self.sandbox.receive(request.method, target, headers, request.body)
        if request.path_template in self.loses:
            self.loses.remove(request.path_template)
            return Reply(phase=Phase.WAITING, error="ReadTimeout")
        body = json.dumps(found.reply.body).encode()
        return Reply(phase=Phase.DONE, status=found.reply.status, body=body)

    def close(self) -> None: ...


class Tenant:
    """One destination, its delivery tables, and the sandbox behind it."""

    def __init__(self, database: Database, provider: Trackdesk) -> None:
        self.database, self.provider = database, provider
        self.sandbox = Sandbox()
        self.clock = Clock()

    def run(self, *orders: Conversion, loses: str | None = None) -> None:
        deliver(
            Destination(
                name="td",
                provider_name="trackdesk",
                provider=self.provider,
                mapping_version="m1",
            ),
            self.database,
            Wire(self.sandbox, [loses] if loses else []),
            lambda: [Chunk(orders)],
            partition_key="2026-11-20",
            run_id="run",
            zone=UTC,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def rows(self) -> dict[str, dict[str, Any]]:
        with self.database.read() as connection:
            found = connection.execute(select(delivery)).mappings()
            return {row["order_id"]: dict(row) for row in found}

    def outcome(self, order_id: str = "O1") -> tuple[str, str | None]:
        row = self.rows()[order_id]
        return row["state"], row["state_reason"]

    @property
    def links(self) -> Counter[str]:
        """How often each external cid was linked."""
        return Counter(
            entry.body["externalCid"]
            for entry in self.sandbox.journal.entries
            if entry.path.endswith("external-cid/v1") and isinstance(entry.body, dict)
        )


@pytest.fixture
def linking(database: Database) -> Tenant:
    return Tenant(database, trackdesk(**BY_EXTERNAL_CID, base_url=URL))


@pytest.fixture
def plain(database: Database) -> Tenant:
    return Tenant(database, trackdesk(base_url=URL))


def of(visitor: str, cid: str = CID) -> dict[str, Any]:
    return {"identifiers": {"trackdesk_external_cid": visitor, "trackdesk_cid": cid}}


def test_each_visitor_is_linked_once_whatever_the_number_of_orders(
    linking: Tenant, conversion: MakeConversion
) -> None:
    orders = [conversion(order_id=f"O{n:02}", **of(f"e{n % 4}")) for n in range(24)]
    linking.run(*orders[:16])
    linking.run(*orders)
    assert linking.links == {"e0": 1, "e1": 1, "e2": 1, "e3": 1}
    assert {row["state"] for row in linking.rows().values()} == {"accepted"}
    assert linking.sandbox.effects("trackdesk", "acme") == dict.fromkeys(
        [one.order_id for one in orders], 1
    )


def test_a_new_click_is_linked_anew(
    linking: Tenant, conversion: MakeConversion
) -> None:
    linking.run(
        conversion(order_id="O1", **of("e")),
        conversion(order_id="O2", **of("e", OTHER_CID)),
    )
    assert linking.links == {"e": 2}


def test_a_link_that_trackdesk_forgot_is_made_again(
    linking: Tenant, conversion: MakeConversion
) -> None:
    linking.run(conversion(order_id="O1", **of("e")))
    linking.sandbox = Sandbox()
    linking.run(conversion(order_id="O2", **of("e")))
    assert linking.links == {"e": 1}
    assert linking.outcome("O2") == ("accepted", None)


def test_a_lost_conversion_is_our_own_duplicate(
    plain: Tenant, conversion: MakeConversion
) -> None:
    plain.run(conversion(order_id="O1"), loses="/tracking/conversion/v1")
    assert plain.outcome() == ("duplicate", "own")
    assert plain.sandbox.effects("trackdesk") == {"O1": 1}


def test_what_the_browser_script_reported_is_a_foreign_duplicate(
    plain: Tenant, conversion: MakeConversion
) -> None:
    report = plain.provider.payload(conversion(order_id="O1"))
    headers = {"content-type": "application/json"}
    target = "/trackdesk/acme/tracking/conversion/v1"
    plain.sandbox.receive("POST", target, headers, report)
    plain.run(conversion(order_id="O1"))
    assert plain.outcome() == ("duplicate", "foreign")


def test_a_lost_link_does_not_make_a_foreign_duplicate_our_own(
    linking: Tenant, conversion: MakeConversion
) -> None:
    order = conversion(order_id="O1", **of("e"))
    linking.run(order, loses="/tracking/external-cid/v1")
    assert linking.outcome() == ("accepted", None)
    assert linking.rows()["O1"]["attempts"] == 2
    linking.sandbox.set_faults("trackdesk:status=409 conversion already exists~O2")
    other = conversion(order_id="O2", **of("f"))
    linking.run(order, other, loses="/tracking/external-cid/v1")
    assert linking.outcome("O2") == ("duplicate", "foreign")


@pytest.mark.sampled(8)
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("conversion limit reached", "limit_reached"),
        ("conversion after attribution expiration", "after_attribution_expiration"),
        ("unsupported currency", "unsupported_currency"),
        ("blocked traffic", "blocked_traffic"),
    ],
)
@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refusal_is_final_and_stops_no_run(
    plain: Tenant, conversion: MakeConversion, status: int, text: str, reason: str
) -> None:
    plain.sandbox.set_faults(f"trackdesk:status={status} {text}~O1")
    orders = [conversion(order_id="O1"), conversion(order_id="X2")]
    plain.run(*orders)
    plain.run(*orders)
    assert plain.outcome("O1") == ("rejected", reason)
    assert plain.outcome("X2") == ("accepted", None)
    assert plain.sandbox.requests("trackdesk") == {"O1": 1, "X2": 1}


def needs_human(tenant: Tenant) -> list[tuple[str, str, str]]:
    with tenant.database.read() as connection:
        found = connection.exec_driver_sql(
            "select order_id, state, reason from v_needs_human"
        )
        return [(row.order_id, row.state, row.reason) for row in found]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("conversion limit reached", "limit_reached"), ("no", "http_400")],
)
def test_a_refusal_after_a_lost_reply_waits_for_a_person(
    plain: Tenant, conversion: MakeConversion, text: str, reason: str
) -> None:
    """The first copy may be what used the limit up."""
    order = conversion(order_id="O1")
    plain.sandbox.set_faults(f"trackdesk:status=400 {text}~O1")
    plain.run(order, loses="/tracking/conversion/v1")
    assert plain.outcome() == ("uncertain", reason)
    assert needs_human(plain) == [("O1", "uncertain", reason)]
    plain.clock.pass_by(days=4)
    plain.run(order)
    assert [one[:2] for one in needs_human(plain)] == [("O1", "exhausted")]


def test_by_coupon(database: Database, conversion: MakeConversion) -> None:
    tenant = Tenant(database, trackdesk(**BY_COUPON, base_url=URL))
    tenant.run(conversion(order_id="O1"), conversion(order_id="O2", promo_code=None))
    assert tenant.outcome("O1") == ("accepted", None)
    assert tenant.outcome("O2") == ("suppressed", "no_coupon")
