"""Names the cause of a failed connection. The text of such an error holds the URL."""

import socket
import ssl
from collections.abc import Iterator

from assets.providers.replies import CERTIFICATE, PRIVATE_ADDRESS

UNKNOWN_NAME, REFUSED, NO_ANSWER = "unknown_name", "refused", "no_answer"


class PrivateAddressError(OSError):
    """A provider's host name resolves to a private network. Nothing was sent."""


def error_class(error: Exception) -> str:
    """Return the `error_class` that is recorded for a request without a reply."""
    for cause in _causes(error):
        if isinstance(cause, PrivateAddressError):
            return PRIVATE_ADDRESS
        if isinstance(cause, ssl.SSLCertVerificationError) or _is_not_tls(cause):
            return CERTIFICATE
    return type(error).__name__


def connection_failure(error: Exception) -> str:
    """Return why no connection could be made, more precisely than `error_class`."""
    names: dict[type[BaseException], str] = {
        socket.gaierror: UNKNOWN_NAME,
        ConnectionRefusedError: REFUSED,
        TimeoutError: NO_ANSWER,
    }
    causes = _causes(error)
    found = (names[type(cause)] for cause in causes if type(cause) in names)
    return next(found, error_class(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _is_not_tls(error: BaseException) -> bool:
    """Return whether the other side does not speak TLS, so it cannot prove itself."""
    return isinstance(error, ssl.SSLError) and error.reason in {
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
    }
