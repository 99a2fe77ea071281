"""Exact money: ISO 4217 minor digits, minor units, decimal text. No floats here."""

from decimal import Decimal
from functools import cache

from iso4217 import Currency


@cache
def minor_digits(currency: str) -> int:
    """Return the number of decimals of an upper-case ISO 4217 code.

    Raises:
        ValueError: The code is not in ISO 4217, or has no minor unit (XAU, XXX).
    """
    exponent = Currency(currency).exponent
    if exponent is None:
        message = f"{currency!r} is an ISO 4217 code without a minor unit"
        raise ValueError(message)
    return int(exponent)


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
