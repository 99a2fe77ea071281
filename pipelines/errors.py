"""Names the cause of a database error; its text may contain an address."""


def cause_name(error: Exception) -> str:
    """Return the class name of the driver's error, or else of the error itself."""
    return type(getattr(error, "orig", None) or error).__name__
