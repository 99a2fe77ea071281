"""Exact money: ISO 4217 minor digits, minor units, decimal text. No floats here."""

from datetime import date, timedelta
from decimal import Decimal
from functools import cache

from iso4217 import Currency

from assets.retired_currencies import LAST_DAY, WITHOUT_DECIMALS

_ANY_ZONE = timedelta(days=1)
"""In some zone, a day lasts until noon of the next day in UTC."""


@cache
def minor_digits(currency: str) -> int:
    """Return the number of decimals of an upper-case ISO 4217 code, retired or not.

    Raises:
        ValueError: The code is not in ISO 4217, or has no minor unit (XAU, XXX).
    """
    if currency in LAST_DAY:
        return 0 if currency in WITHOUT_DECIMALS else 2
    exponent = Currency(currency).exponent
    if exponent is None:
        message = f"{currency!r} is an ISO 4217 code without a minor unit"
        raise ValueError(message)
    return int(exponent)


def is_tender(currency: str, day: date) -> bool:
    """Tell whether a currency that `minor_digits` knows was not yet retired.

    Args:
        currency: Upper-case ISO 4217 code.
        day: A day in UTC.
    """
    return day <= LAST_DAY.get(currency, date.max - _ANY_ZONE) + _ANY_ZONE


def fits(amount: Decimal, digits: int) -> bool:
    """Tell whether `amount` has no significant digit beyond `digits` decimals."""
    return amount == amount.quantize(Decimal(1).scaleb(-digits))


def to_minor(amount: Decimal, digits: int) -> int:
    """Return `amount` in minor units: 12.34 at 2 digits is 1234.

    Raises:
        ValueError: A significant digit would be lost.
    """
    if not fits(amount, digits):
        message = f"amount has more than {digits} significant decimals"
        raise ValueError(message)
    return int(amount.scaleb(digits))


def from_minor(minor: int, digits: int) -> Decimal:
    """Return minor units as an amount with exactly `digits` decimals."""
    return Decimal(minor).scaleb(-digits)


def to_text(amount: Decimal, digits: int) -> str:
    """Return `amount` with exactly `digits` decimals and a dot: `9.50`, `100`.

    Raises:
        ValueError: A significant digit would be lost.
    """
    return str(from_minor(to_minor(amount, digits), digits))
