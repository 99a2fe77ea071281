"""Why a connection broke, by its kind only: the text of such an error holds the URL."""

import socket
import ssl
from collections.abc import Iterator

from assets.providers.replies import CERTIFICATE, PRIVATE_ADDRESS

UNKNOWN_NAME, REFUSED, NO_ANSWER = "unknown_name", "refused", "no_answer"


class PrivateAddressError(OSError):
    """The name of a provider leads into a private network; nothing was sent."""


def name_of(broken: Exception) -> str:
    """Return what a reply that never came is recorded as."""
    for link in _chain(broken):
        if isinstance(link, PrivateAddressError):
            return PRIVATE_ADDRESS
        if isinstance(link, ssl.SSLCertVerificationError) or _is_no_tls(link):
            return CERTIFICATE
    return type(broken).__name__


def cause_of(broken: Exception) -> str:
    """Tell apart what `name_of` need not: why there is no connection."""
    kinds: dict[type[BaseException], str] = {
        socket.gaierror: UNKNOWN_NAME,
        ConnectionRefusedError: REFUSED,
        TimeoutError: NO_ANSWER,
    }
    found = (kinds[type(link)] for link in _chain(broken) if type(link) in kinds)
    return next(found, name_of(broken))


def _chain(broken: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = broken
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _is_no_tls(broken: BaseException) -> bool:
    """Tell whether something answered that speaks no TLS, so cannot prove itself."""
    return isinstance(broken, ssl.SSLError) and broken.reason in {
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
    }
