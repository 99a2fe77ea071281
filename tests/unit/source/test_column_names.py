"""Column names of a statement: any case will do."""

import pytest

from assets.source.column_names import expected_names
from assets.source.errors import WarehouseError
from assets.validation.schemas import contract_columns

NAMES = contract_columns("order_items")


def test_capitals_are_read_as_the_contract_spells_them() -> None:
    given = [name.upper() for name in NAMES]
    assert expected_names("order_items", given) == list(NAMES)


def test_a_mapped_column_is_read_as_the_configuration_spells_it() -> None:
    given = [*NAMES, "GIFT_WRAP", "other"]
    found = expected_names("order_items", given, {"Gift_Wrap"})
    assert found == [*NAMES, "Gift_Wrap", "other"]


def test_an_optional_column_is_found_in_any_case_too() -> None:
    given = [*contract_columns("completed_orders"), "CUSTOMER_EMAIL_SHA256"]
    found = expected_names("completed_orders", given)
    assert found[-1] == "customer_email_sha256"


def test_the_exact_spelling_takes_precedence() -> None:
    given = [*NAMES, "SKU"]
    assert expected_names("order_items", given) == given


def test_a_mapped_column_never_takes_the_place_of_one_of_the_contract() -> None:
    given = [name.upper() if name == "sku" else name for name in NAMES]
    found = expected_names("order_items", given, {"Sku"})
    assert found == list(NAMES)


def test_two_columns_of_one_name_are_told_apart_by_a_person() -> None:
    given = [*(name for name in NAMES if name != "sku"), "SKU", "Sku"]
    with pytest.raises(WarehouseError, match=r"one column sku, got SKU and Sku\. Name"):
        expected_names("order_items", given)
