"""Money is exact, whatever its currency and however large."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from iso4217 import Currency

from assets.money import fits, from_minor, is_tender, minor_digits, to_minor, to_text
from assets.retired_currencies import LAST_DAY


@pytest.mark.parametrize(
    ("currency", "digits"),
    [
        ("USD", 2),
        ("EUR", 2),
        ("JPY", 0),
        ("KRW", 0),
        ("KWD", 3),
        ("CLF", 4),
        ("HRK", 2),
        ("ITL", 0),
        ("BYR", 0),
    ],
)
def test_a_currency_has_the_digits_of_iso_4217(currency: str, digits: int) -> None:
    assert minor_digits(currency) == digits


@pytest.mark.parametrize("code", ["", "usd", "US$", "USDX", "ZZZ", "XXX", "XAU"])
def test_no_digits_are_guessed_for_what_is_no_currency(code: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        minor_digits(code)


@pytest.mark.parametrize("code", LAST_DAY)
def test_a_retired_currency_is_tender_until_its_last_day_ends_everywhere(
    code: str,
) -> None:
    assert code not in Currency.__members__
    assert is_tender(code, LAST_DAY[code] + timedelta(days=1))
    assert not is_tender(code, LAST_DAY[code] + timedelta(days=2))


def test_a_currency_in_use_is_tender_on_every_day() -> None:
    assert is_tender("USD", date.min)
    assert is_tender("USD", date.max)


CASES = [
    ("12.34", 2, 1234, "12.34"),
    ("12.340", 2, 1234, "12.34"),
    ("9.5", 2, 950, "9.50"),
    ("0", 2, 0, "0.00"),
    ("-0.01", 2, -1, "-0.01"),
    ("100", 0, 100, "100"),
    ("1E+2", 0, 100, "100"),
    ("1.234", 3, 1234, "1.234"),
    ("42949672.97", 2, 2**32 + 1, "42949672.97"),
    ("92233720368547758.07", 2, 2**63 - 1, "92233720368547758.07"),
]


@pytest.mark.parametrize(("amount", "digits", "minor", "text"), CASES)
def test_money_goes_to_minor_units_and_back(
    amount: str, digits: int, minor: int, text: str
) -> None:
    assert to_minor(Decimal(amount), digits) == minor
    assert from_minor(minor, digits) == Decimal(amount)
    assert to_text(Decimal(amount), digits) == text


@pytest.mark.parametrize(
    ("amount", "digits"), [("12.345", 2), ("0.001", 2), ("1.5", 0), ("1.2345", 3)]
)
def test_no_digit_is_dropped_silently(amount: str, digits: int) -> None:
    assert not fits(Decimal(amount), digits)
    for convert in (to_minor, to_text):
        with pytest.raises(ValueError, match=f"more than {digits} significant"):
            convert(Decimal(amount), digits)


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "1E+40"])
def test_what_is_no_amount_becomes_no_money(amount: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        to_minor(Decimal(amount), 2)
