"""Fixtures that every kind of test may use."""

import signal
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgres import running_server

from assets.delivery.database import Database
from assets.providers.conversion import Conversion, Item, Segments


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", default=False)


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a shell: the programs under test would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

MakeConversion = Callable[..., Conversion]


def make_item(**changes: Any) -> Item:
    item = Item(
        line_no=1,
        sku="1ABC2345",
        product_id="p-1",
        name="Product Name 1",
        category="Hardware",
        quantity=Decimal(2),
        unit_price=Decimal("14.00"),
        subtotal=Decimal("28.00"),
        discount=Decimal(0),
    )
    return replace(item, **changes)


def make_conversion(**changes: Any) -> Conversion:
    """The order of impact.com's guide, with all that may be known of it."""
    order = Conversion(
        order_id="O1234567",
        completed_at=datetime(2026, 11, 20, 7, 55, 24, tzinfo=UTC),
        currency="USD",
        currency_digits=2,
        total=Decimal("127.20"),
        revenue=Decimal("112.00"),
        discount=Decimal("15.00"),
        shipping=Decimal("5.99"),
        tax=Decimal("9.21"),
        items=(
            make_item(),
            make_item(
                line_no=2,
                sku="9ZXY7654",
                product_id="p-2",
                name="Product Name 2",
                category="Gardening",
                quantity=Decimal(3),
                unit_price=Decimal("33.00"),
                subtotal=Decimal("99.00"),
            ),
        ),
        visitor_id="v-1001",
        customer_id="BCZ2WVSH674563PDPYOTM3AXDQ",
        promo_code="15BUCKSOFF",
        customer_status="NEW",
        tracking_consent=True,
        identifiers={
            "impact_click_id": "QiiWXOVnrQ3SQHl24jQjyxBGUkmzfJ3i1VHrWM0",
            "trackdesk_cid": "2d2ce3d8-7c58-4f7f-9e07-0e1b2c3d4e5f",
            "trackdesk_external_cid": "ext-77",
            "idme_conversion_tracking_id": "ctid-5f2b",
            "convert_visitor_id": "visitor-abc123",
        },
        bucketing={"100127238": "1001186427"},
        segments=Segments(
            browser="CH",
            device="DESK",
            source="direct",
            visitor_type="returning",
            country="US",
        ),
    )
    return replace(order, **changes)


@pytest.fixture
def conversion() -> MakeConversion:
    """Makes conversions: the guide's order, with the named changes."""
    return make_conversion


@pytest.fixture
def item() -> Callable[..., Item]:
    """Makes line items: the guide's first line, with the named changes."""
    return make_item


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a real PostgreSQL server that lives as long as the session."""
    with running_server() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """SQLAlchemy URL of a new, empty PostgreSQL database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    base = postgres_server.rsplit("/", 1)[0]
    return f"{base}/{name}".replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database for the delivery tables, on each kind in turn."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def database(ledger_url: str) -> Iterator[Database]:
    """The delivery tables, made but empty."""
    database = Database(ledger_url)
    database.migrate()
    yield database
    database.dispose()
