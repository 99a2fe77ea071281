"""Reads the column names of a statement without regard to case.

Some warehouses store names in capitals, others in small letters.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from assets.source.errors import WarehouseError
from assets.validation.schemas import known_columns


def expected_names(
    statement: str, names: Sequence[str], extra_columns: Iterable[str] = ()
) -> list[str]:
    """Return the names of a result, as the contract and the configuration spell them.

    A name that is spelled exactly as expected takes precedence over one in another
    case. Names that are not expected stay as they are.

    Args:
        statement: One of `schemas.EXTRACTS`.
        names: The columns of its result.
        extra_columns: Columns beyond the contract, as the configuration spells them.

    Raises:
        WarehouseError: Two columns differ from an expected name in nothing but case.
    """
    expected = [*known_columns(statement), *sorted(extra_columns)]
    by_folded: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_folded[name.casefold()].append(name)
    spelled: dict[str, str] = {}
    for name in expected:
        if name in names:
            continue
        given = [one for one in by_folded[name.casefold()] if one not in spelled]
        if len(given) > 1:
            message = (
                f"Extract failed for {statement}: expected one column {name}, got "
                f"{' and '.join(given)}. Name the right one {name} in {statement}.sql."
            )
            raise WarehouseError(message)
        spelled |= dict.fromkeys(given, name)
    return [spelled.get(name, name) for name in names]
