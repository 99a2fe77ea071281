"""Connections that know how far a request came, and that end at a deadline.

Everything between `requests` and the socket belongs here. What is sent does not.
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


class Deadline:
    """Shuts the socket of a request that takes too long.

    A read timeout only ends a silence, and a server that sends byte by byte is never
    silent.

    Args:
        seconds: The longest that the request may take in all.
    """

    def __init__(self, seconds: float) -> None:
        self._socket: socket.socket | None = None
        self.is_running = False
        self.has_expired = False
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        self.is_running = True
        return self

    def __exit__(self, *_exception: object) -> None:
        self._timer.cancel()
        self.is_running = False
        if self._socket is not None:
            self._socket.close()

    def watch(self, connection: socket.socket) -> None:
        """Apply the deadline to a connection from now on.

        Raises:
            TimeoutError: The deadline has expired already.
        """
        # A second handle: TLS detaches the first one during its handshake.
        handle = socket.socket(fileno=os.dup(connection.fileno()))
        earlier, self._socket = self._socket, handle
        if earlier is not None:
            earlier.close()
        if self.has_expired:
            message = "deadline"
            raise TimeoutError(message)

    def _expire(self) -> None:
        self.has_expired = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class _RequestState(threading.local):
    """The state of this thread's request. A connection serves one thread at a time."""

    phase = Phase.NONE
    deadline: Deadline | None = None
    is_public_only = False
    is_connect_only = False


request_state = _RequestState()


def _is_not_of_a_request(_record: logging.LogRecord) -> bool:
    """Filter out log records of our requests: their addresses hold account ids."""
    deadline = request_state.deadline
    return deadline is None or not deadline.is_running


for _name_of_logger in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name_of_logger).addFilter(_is_not_of_a_request)


class _TrackedConnection:
    """Records the phase of a request at the moment it changes."""

    _is_connecting = False

    def connect(self) -> None:
        request_state.phase = Phase.CONNECTING
        self._is_connecting = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self._is_connecting = False

    def _new_conn(self) -> socket.socket:
        connection: socket.socket = super()._new_conn()  # type: ignore[misc]
        try:
            _refuse_private(connection)
            _apply_deadline(connection)
        except OSError:
            connection.close()
            raise
        return connection

    def send(self, data: Any) -> None:
        if self.sock is None:  # type: ignore[attr-defined]
            self.connect()
        if self._is_connecting:  # the CONNECT to a proxy holds nothing of the request
            super().send(data)  # type: ignore[misc]
            return
        if request_state.is_connect_only:
            raise ConnectOnlyError
        if request_state.phase is not Phase.SENDING:
            _apply_deadline(self.sock)  # type: ignore[attr-defined]
        request_state.phase = Phase.SENDING
        super().send(data)  # type: ignore[misc]

    def getresponse(self) -> Any:
        request_state.phase = Phase.WAITING
        response = super().getresponse()  # type: ignore[misc]
        request_state.phase = Phase.READING
        return response


def _apply_deadline(connection: socket.socket) -> None:
    if request_state.deadline is not None:
        request_state.deadline.watch(connection)


class ConnectOnlyError(Exception):
    """A connection check is connected: the next step would send the first byte.

    It is no OSError, because urllib3 handles some of these itself.
    """


def _refuse_private(connection: socket.socket) -> None:
    address = connection.getpeername()[0]
    if request_state.is_public_only and not ip_address(address).is_global:
        raise PrivateAddressError


class _TrackedHTTP(_TrackedConnection, HTTPConnection):
    pass


class _TrackedHTTPS(_TrackedConnection, HTTPSConnection):
    pass


class _PoolHTTP(HTTPConnectionPool):
    ConnectionCls = _TrackedHTTP


class _PoolHTTPS(HTTPSConnectionPool):
    ConnectionCls = _TrackedHTTPS


_POOLS = {"http": _PoolHTTP, "https": _PoolHTTPS}


class TrackedAdapter(HTTPAdapter):
    """Opens connections that record the phase of each request."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Use tracked pools for direct connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Use tracked pools for connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager
