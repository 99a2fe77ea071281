"""Requests out, replies in: the only code that speaks to a provider.

It never decides what a reply means and never sends a second time. What it must know
for sure is how far each request came, because that decides whether a repeat is safe.
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
from assets.providers.replies import Phase, Reply
from assets.providers.settings import LOOPBACK_HOSTS
from assets.transport.body import read_body
from assets.transport.connections import HungUpError, Watchdog, WatchedAdapter, progress
from assets.transport.errors import NO_ANSWER, cause_of, name_of

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
DEADLINE_SECONDS = 45.0


class Transport(Protocol):
    """Where requests go."""

    def send(self, request: Request) -> Reply:
        """Send once; whatever happens comes back as a reply."""

    def close(self) -> None:
        """Give back what is held."""


class ForbiddenHostError(Exception):
    """A request was made for a host that is not configured: a bug, nothing was sent."""


class HttpTransport:
    """Sends over HTTP, each request at most once.

    No redirects, no proxies or credentials from the environment, certificates always
    verified.

    Args:
        hosts: The only `host:port` that may be spoken to, as in the configured URLs.
        connections: How many requests may be on the wire at once.
        read_seconds: Longest silence of the server.
        deadline_seconds: The longest that a request may take in all.
        ca_bundle: Certificates to trust instead of the usual ones.
        proxy: Address of a proxy, the only one that is used.
        allow_private: Hosts may lie in a private network. Loopback always may, where
            the address says so itself; a proxy answers for what lies behind it.
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
        self._adapter = WatchedAdapter(
            pool_connections=len(self._hosts), pool_maxsize=connections, max_retries=0
        )

    def send(self, request: Request) -> Reply:
        """Send once and read at most `reply_limit` bytes of the reply.

        Raises:
            ForbiddenHostError: The address is not one of ours; no byte was sent.
        """
        if urlsplit(request.url).netloc not in self._hosts:
            message = f"Sending was refused: {request.host} is not a configured host."
            raise ForbiddenHostError(message)
        self._begin(request.host)
        start = time.perf_counter()
        with Watchdog(self._deadline) as progress.watchdog:
            try:
                response = self._exchange(_prepared(request))
                body, error = read_body(response, request.reply_limit)
            except (requests.RequestException, HTTPError) as broken:
                return _reply(start, progress.phase, error=name_of(broken))
        if progress.watchdog.has_bitten:
            error = "deadline"
        elif error is None and not body and _has_no_end(response):
            error = "no_length"
        phase = Phase.DONE if error is None else Phase.READING
        return _reply(start, phase, response=response, body=body, error=error)

    def connect(self, url: str) -> str | None:
        """Do what `send` does until the first byte of a request would leave.

        Returns:
            What was wrong, by its kind; None: nothing. Of a destination without TLS
            behind a proxy, only that the proxy answers.
        """
        self._begin(urlsplit(url).hostname)
        progress.hangs_up = True
        with Watchdog(CONNECT_SECONDS) as progress.watchdog:
            try:
                self._exchange(requests.Request("GET", url).prepare())
            except HungUpError:
                return None
            except (OSError, HTTPError) as broken:
                is_late = progress.watchdog.has_bitten
                return NO_ANSWER if is_late else cause_of(broken)
            finally:
                progress.hangs_up = False
        return None

    def _begin(self, host: str | None) -> None:
        progress.phase = Phase.NONE
        progress.is_public_only = self._is_public_only and host not in LOOPBACK_HOSTS

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


def _has_no_end(response: requests.Response) -> bool:
    """Tell whether a reply that broke off in its headers would look the same."""
    named = response.headers
    told = "content-length" in named or "transfer-encoding" in named
    return not told and response.status_code not in {204, 304}


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
