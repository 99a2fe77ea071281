"""What is left out of ids and of placeholders before they count.

How an id is spelled is in `assets/providers/spelling.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from assets.providers.placeholders import is_placeholder, is_placeholder_id
from assets.providers.spelling import trimmed

TRIMMED_ID = "trimmed_id"
PLACEHOLDER_VALUE = "placeholder_value"


@dataclass(frozen=True, slots=True)
class Fold:
    """A change of a value that means the same without it.

    Attributes:
        code: Code of the data issue.
        expected: What was expected of the value.
        change: Returns the value that counts; None: there is no value.
    """

    code: str
    expected: str
    change: Callable[[str], str | None]


def _without(is_nothing: Callable[[str], bool]) -> Callable[[str], str | None]:
    return lambda text: None if is_nothing(text) else text


TRIMMED = Fold(
    TRIMMED_ID,
    "no white space and no invisible character around it; they are left out",
    lambda text: trimmed(text) or None,
)
NO_VALUE = Fold(
    PLACEHOLDER_VALUE,
    "no placeholder such as `null`, `(not set)` or `0`; it counts as no value",
    _without(is_placeholder),
)
NOBODY = Fold(
    PLACEHOLDER_VALUE,
    "no placeholder such as `null`, `(not set)`, `0`, `-1` or `guest`, and no hash of "
    "nothing or of one; it counts as no value",
    _without(is_placeholder_id),
)
