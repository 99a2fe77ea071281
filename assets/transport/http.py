"""Sends requests over HTTP and returns replies.

It never decides what a reply means and never sends a request twice. It has to know how
far each request came, because that decides whether a repeat is safe.
"""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from assets.providers.base import Request
from assets.providers.replies import UNSENDABLE, UNSENT, Phase, Reply
from assets.providers.settings import LOOPBACK_HOSTS
from assets.transport.body import read_body
from assets.transport.connections import (
    ConnectOnlyError,
    Deadline,
    TrackedAdapter,
    request_state,
)
from assets.transport.errors import NO_ANSWER, connection_failure, error_class

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
DEADLINE_SECONDS = 45.0


class Transport(Protocol):
    """Sends requests."""

    def send(self, request: Request) -> Reply:
        """Send a request once. A failure is returned as a reply."""

    def close(self) -> None:
        """Release what the transport holds."""


class ForbiddenHostError(Exception):
    """A request has a host that is not configured. It is a bug; nothing was sent."""


class HttpTransport:
    """Sends requests over HTTP, each at most once.

    It follows no redirects, takes no proxy or credentials from the environment, and
    always verifies certificates.

    Args:
        hosts: The only `host:port` that requests may go to, as in the configured URLs.
        connections: How many requests may be in flight at once.
        read_seconds: The longest silence of the server.
        deadline_seconds: The longest that a request may take in all.
        ca_bundle: Certificates to trust instead of the default ones.
        proxy: Address of the only proxy that is used.
        allow_private: Hosts may be in a private network. A loopback address is always
            allowed where the URL names it. Behind a proxy, the proxy is responsible.
    """

    def __init__(
        self,
        hosts: Iterable[str],
        *,
        connections: int = 32,
        read_seconds: float = READ_SECONDS,
        deadline_seconds: float = DEADLINE_SECONDS,
        ca_bundle: Path | None = None,
        proxy: str | None = None,
        allow_private: bool = False,
    ) -> None:
        self._is_public_only = not (allow_private or proxy)
        self._hosts = frozenset(hosts)
        self._verify = True if ca_bundle is None else str(ca_bundle)
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._timeout = (CONNECT_SECONDS, read_seconds)
        self._deadline = deadline_seconds
        self._adapter = TrackedAdapter(
            pool_connections=len(self._hosts), pool_maxsize=connections, max_retries=0
        )

    def send(self, request: Request) -> Reply:
        """Send a request once and read at most `reply_limit` bytes of the reply.

        Raises:
            ForbiddenHostError: The host is not configured; no byte was sent.
        """
        if urlsplit(request.url).netloc not in self._hosts:
            message = (
                f"Sending failed for {request.host}: expected a configured host, got "
                "another one. Nothing was sent. Report this bug."
            )
            raise ForbiddenHostError(message)
        self._reset_state(request.host)
        start = time.perf_counter()
        with Deadline(self._deadline) as request_state.deadline:
            try:
                response = self._exchange(_prepared(request))
                body, error = read_body(response, request.reply_limit)
            except (requests.RequestException, HTTPError, ValueError) as failure:
                if request_state.phase not in UNSENT and not _is_of_http(failure):
                    raise
                return _reply(start, request_state.phase, error=_error(failure))
        if request_state.deadline.has_expired:
            error = "deadline"
        elif error is None and not body and _has_no_length(response):
            error = "no_length"
        phase = Phase.DONE if error is None else Phase.READING
        return _reply(start, phase, response=response, body=body, error=error)

    def connect(self, url: str) -> str | None:
        """Connect as `send` does, and stop before the first byte of a request leaves.

        Args:
            url: The address to connect to.

        Returns:
            Why the connection failed, or None. For a destination without TLS behind a
            proxy, None only says that the proxy accepts connections.
        """
        self._reset_state(urlsplit(url).hostname)
        request_state.is_connect_only = True
        with Deadline(CONNECT_SECONDS) as request_state.deadline:
            try:
                self._exchange(requests.Request("GET", url).prepare())
            except ConnectOnlyError:
                return None
            except (OSError, HTTPError) as failure:
                is_late = request_state.deadline.has_expired
                return NO_ANSWER if is_late else connection_failure(failure)
            finally:
                request_state.is_connect_only = False
        return None

    def _reset_state(self, host: str | None) -> None:
        request_state.phase = Phase.NONE
        is_loopback = host in LOOPBACK_HOSTS
        request_state.is_public_only = self._is_public_only and not is_loopback

    def _exchange(self, prepared: requests.PreparedRequest) -> requests.Response:
        return self._adapter.send(
            prepared,
            stream=True,
            timeout=self._timeout,
            verify=self._verify,
            proxies=self._proxies,
        )

    def close(self) -> None:
        """Close every connection."""
        self._adapter.close()


def _prepared(request: Request) -> requests.PreparedRequest:
    headers = {"Accept-Encoding": "identity", **request.headers}
    return requests.Request(
        request.method, request.url, headers=headers, data=request.body
    ).prepare()


def _error(failure: Exception) -> str:
    """Return the `error_class`; what cannot be written as a request is a ValueError."""
    is_unsendable = isinstance(failure, ValueError) and request_state.phase in UNSENT
    return UNSENDABLE if is_unsendable else error_class(failure)


def _is_of_http(failure: Exception) -> bool:
    return isinstance(failure, requests.RequestException | HTTPError)


def _has_no_length(response: requests.Response) -> bool:
    """Return whether a reply that broke off in its headers would look the same."""
    headers = response.headers
    has_length = "content-length" in headers or "transfer-encoding" in headers
    return not has_length and response.status_code not in {204, 304}


def _reply(
    start: float,
    phase: Phase,
    *,
    response: requests.Response | None = None,
    body: bytes = b"",
    error: str | None = None,
) -> Reply:
    return Reply(
        phase=phase,
        status=None if response is None else response.status_code,
        headers={}
        if response is None
        else {name.lower(): value for name, value in response.headers.items()},
        body=body,
        error=error,
        duration_s=time.perf_counter() - start,
        at=datetime.now(UTC),
    )
