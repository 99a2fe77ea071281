"""Requests out, replies in: the only code that opens a socket to a provider.

It never decides what a reply means and never sends a second time. What it must know
for sure is how far each request came, because that decides whether a repeat is safe.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from assets.delivery.body import read_body
from assets.delivery.broken import (
    NO_ANSWER,
    PrivateAddressError,
    cause_of,
    name_of,
)
from assets.providers.base import Request
from assets.providers.replies import Phase, Reply
from assets.providers.settings import LOOPBACK_HOSTS

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
DEADLINE_SECONDS = 45.0


class Transport(Protocol):
    """Where requests go."""

    def send(self, request: Request) -> Reply:
        """Send once; whatever happens comes back as a reply."""

    def close(self) -> None:
        """Give back what is held."""


class _Watchdog:
    """Shuts the socket of a request that takes too long.

    A time-out only ends a silence; a server that drips byte by byte never is silent.
    """

    def __init__(self, seconds: float) -> None:
        self._socket: socket.socket | None = None
        self.is_awake = False
        self.has_bitten = False
        self._timer = threading.Timer(seconds, self._bite)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        self.is_awake = True
        return self

    def __exit__(self, *_exception: object) -> None:
        self._timer.cancel()
        self.is_awake = False
        if self._socket is not None:
            self._socket.close()

    def watch(self, connection: socket.socket) -> None:
        """Watch a connection from now on.

        Raises:
            TimeoutError: The time is over already.
        """
        # A second handle: TLS takes the first one away while it shakes hands.
        handle = socket.socket(fileno=os.dup(connection.fileno()))
        earlier, self._socket = self._socket, handle
        if earlier is not None:
            earlier.close()
        if self.has_bitten:
            message = "deadline"
            raise TimeoutError(message)

    def _bite(self) -> None:
        self.has_bitten = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class _Progress(threading.local):
    """How far this thread's request came. A connection serves one thread at a time."""

    phase = Phase.NONE
    watchdog: _Watchdog | None = None
    is_public_only = False
    hangs_up = False


_progress = _Progress()


def _is_of_others(_record: logging.LogRecord) -> bool:
    """Keep addresses, which hold account ids, out of logs while we send."""
    watchdog = _progress.watchdog
    return watchdog is None or not watchdog.is_awake


for _name_of_logger in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name_of_logger).addFilter(_is_of_others)


class _Watched:
    """Notes the phase of a request at the moment it changes."""

    _is_connecting = False

    def connect(self) -> None:
        _progress.phase = Phase.CONNECTING
        self._is_connecting = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self._is_connecting = False

    def _new_conn(self) -> socket.socket:
        connection: socket.socket = super()._new_conn()  # type: ignore[misc]
        try:
            _refuse_private(connection)
            _watch(connection)
        except OSError:
            connection.close()
            raise
        return connection

    def send(self, data: Any) -> None:
        if self.sock is None:  # type: ignore[attr-defined]
            self.connect()
        if self._is_connecting:  # what a proxy is told holds nothing of the request
            super().send(data)  # type: ignore[misc]
            return
        if _progress.hangs_up:
            raise _HungUpError
        if _progress.phase is not Phase.SENDING:
            _watch(self.sock)  # type: ignore[attr-defined]
        _progress.phase = Phase.SENDING
        super().send(data)  # type: ignore[misc]

    def getresponse(self) -> Any:
        _progress.phase = Phase.WAITING
        response = super().getresponse()  # type: ignore[misc]
        _progress.phase = Phase.READING
        return response


def _watch(connection: socket.socket) -> None:
    if _progress.watchdog is not None:
        _progress.watchdog.watch(connection)


class _HungUpError(Exception):
    """A trial came to where the first byte of a request would leave.

    No OSError: urllib3 takes some of these for its own.
    """


def _refuse_private(connection: socket.socket) -> None:
    address = connection.getpeername()[0]
    if _progress.is_public_only and not ip_address(address).is_global:
        raise PrivateAddressError


class _WatchedHTTP(_Watched, HTTPConnection):
    pass


class _WatchedHTTPS(_Watched, HTTPSConnection):
    pass


class _PoolHTTP(HTTPConnectionPool):
    ConnectionCls = _WatchedHTTP


class _PoolHTTPS(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPS


_POOLS = {"http": _PoolHTTP, "https": _PoolHTTPS}


class _WatchedAdapter(HTTPAdapter):
    """Watches connections through a proxy like direct ones."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager


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
        self._adapter = _WatchedAdapter(
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
        with _Watchdog(self._deadline) as _progress.watchdog:
            try:
                response = self._exchange(_prepared(request))
                body, error = read_body(response, request.reply_limit)
            except (requests.RequestException, HTTPError) as broken:
                return _reply(start, _progress.phase, error=name_of(broken))
        if _progress.watchdog.has_bitten:
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
        _progress.hangs_up = True
        with _Watchdog(CONNECT_SECONDS) as _progress.watchdog:
            try:
                self._exchange(requests.Request("GET", url).prepare())
            except _HungUpError:
                return None
            except (OSError, HTTPError) as broken:
                is_late = _progress.watchdog.has_bitten
                return NO_ANSWER if is_late else cause_of(broken)
            finally:
                _progress.hangs_up = False
        return None

    def _begin(self, host: str | None) -> None:
        _progress.phase = Phase.NONE
        _progress.is_public_only = self._is_public_only and host not in LOOPBACK_HOSTS

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
