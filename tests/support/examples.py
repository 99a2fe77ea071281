"""How many examples a property is tried on."""

import os


def examples(count: int) -> int:
    """Return the number of examples of this run.

    Args:
        count: Their number in `make test-long`. `make test` tries a fifth of them.
    """
    return count if os.environ.get("ALL_EXAMPLES") else max(10, count // 5)
