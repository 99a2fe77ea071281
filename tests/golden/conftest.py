"""The exact requests that named orders must give, readable by a person.

`pytest --update-golden` writes the files anew; a changed file is a changed payload and
has to be looked at.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from assets.providers.base import Request
from assets.providers.conversion import Conversion, Item
from support.exchanges import render
from support.impact_account import line
from support.project import TESTS


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Compares requests with `tests/golden/<provider>/<name>.txt`."""
    update = request.config.getoption("--update-golden")

    def compare(name: str, made: list[Request], *, spread: bool = False) -> None:
        file = TESTS / "golden" / f"{name}.txt"
        text = "\n".join(render(one, spread=spread) for one in made)
        if update:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert file.exists(), f"no {file}: look at it, then run with --update-golden"
        assert text == file.read_text(encoding="utf-8")

    return compare


@pytest.fixture
def reference_order(
    conversion: Callable[..., Conversion], item: Callable[..., Item]
) -> Conversion:
    """The order of impact.com's reference."""
    balls = {
        "sku": "78909",
        "name": "Tennis Balls",
        "category": "Sports",
        "quantity": Decimal(6),
        "unit_price": Decimal("3.14"),
    }
    anvil = {"sku": "12345", "name": "Anvil", "category": "Blacksmithing"}
    return conversion(
        order_id="9217374917471",
        completed_at=datetime(2023, 12, 2, 7, 55, 24, tzinfo=UTC),
        promo_code="10OFF-ROCKET",
        discount=Decimal(5),
        shipping=Decimal(0),
        tax=Decimal(0),
        customer_postcode="93101",
        customer_email_sha1="7076656fee27c02fd8a1cbd17828c9cf28f2c250",
        items=(line(item, 1, "10", **anvil), line(item, 2, "18.84", **balls)),
    )
