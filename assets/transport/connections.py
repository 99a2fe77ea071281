"""Connections that say how far a request came, and that end when its time is over.

What lies between `requests` and the socket belongs here; what is sent does not.
"""

import logging
import os
import socket
import threading
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from assets.providers.replies import Phase
from assets.transport.errors import PrivateAddressError


class Watchdog:
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
    watchdog: Watchdog | None = None
    is_public_only = False
    hangs_up = False


progress = _Progress()


def _is_of_others(_record: logging.LogRecord) -> bool:
    """Keep addresses, which hold account ids, out of logs while we send."""
    watchdog = progress.watchdog
    return watchdog is None or not watchdog.is_awake


for _name_of_logger in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name_of_logger).addFilter(_is_of_others)


class _Watched:
    """Notes the phase of a request at the moment it changes."""

    _is_connecting = False

    def connect(self) -> None:
        progress.phase = Phase.CONNECTING
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
        if progress.hangs_up:
            raise HungUpError
        if progress.phase is not Phase.SENDING:
            _watch(self.sock)  # type: ignore[attr-defined]
        progress.phase = Phase.SENDING
        super().send(data)  # type: ignore[misc]

    def getresponse(self) -> Any:
        progress.phase = Phase.WAITING
        response = super().getresponse()  # type: ignore[misc]
        progress.phase = Phase.READING
        return response


def _watch(connection: socket.socket) -> None:
    if progress.watchdog is not None:
        progress.watchdog.watch(connection)


class HungUpError(Exception):
    """A trial came to where the first byte of a request would leave.

    No OSError: urllib3 takes some of these for its own.
    """


def _refuse_private(connection: socket.socket) -> None:
    address = connection.getpeername()[0]
    if progress.is_public_only and not ip_address(address).is_global:
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


class WatchedAdapter(HTTPAdapter):
    """Opens connections that are watched."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Watch direct connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Watch connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager
