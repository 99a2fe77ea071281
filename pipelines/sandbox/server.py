"""Running the sandbox: in a thread for tests and the demo, or until interrupted."""

import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn

from pipelines.sandbox.app import create_app
from pipelines.sandbox.journal import Entry, Journal
from pipelines.sandbox.listening import HOST, listen, port_of
from pipelines.sandbox.responses import TransportProtocol
from pipelines.sandbox.simulator import Sandbox


class SandboxServer:
    """Serves a sandbox on a loopback port from a thread of its own.

    Attributes:
        sandbox: What is served; counts, journal and faults are reached through it.
    """

    def __init__(
        self,
        port: int | socket.socket = 0,
        journal_path: Path | None = None,
        faults: Iterable[str] = (),
        *,
        keep: int | None = None,
        seed: str = "sandbox",
        secrets: Mapping[str, str] | None = None,
        settle_after: float = 0.0,
        future_tolerance: float = 300.0,
        on_entry: Callable[[Entry], None] = lambda _entry: None,
    ) -> None:
        """Sets the sandbox up; `with` starts the server.

        Args:
            port: Port to listen on, 0: a free one; or a socket that listens already.
            journal_path: File to append the journal to and to start from.
            faults: Faults in their text form (`faults.parse`).
            keep: How many entries stay in memory; None keeps all.
            seed: See `Sandbox`, as for the rest.
            secrets: See `Sandbox`.
            settle_after: See `Sandbox`.
            future_tolerance: See `Sandbox`.
            on_entry: See `Sandbox`; called from the server's thread.
        """
        self.sandbox = Sandbox(
            journal=Journal(journal_path, keep=keep),
            faults=faults,
            seed=seed,
            secrets=secrets,
            settle_after=settle_after,
            future_tolerance=future_tolerance,
            on_entry=on_entry,
        )
        self._wanted = port

    @property
    def port(self) -> int:
        """The port it listens on."""
        return port_of(self._socket)

    @property
    def url(self) -> str:
        """The address that the providers' prefixes are appended to."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        """Starts listening; requests are answered from here on."""
        # Bound and listening before the thread runs, so that no client is refused.
        wanted = self._wanted
        self._socket = listen(wanted) if isinstance(wanted, int) else wanted
        config = uvicorn.Config(
            create_app(self.sandbox),
            http=TransportProtocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stops the server and closes the journal."""
        self._server.should_exit = True
        self._thread.join()
        self.sandbox.journal.close()

    def wait(self) -> None:
        """Blocks until the server ends."""
        self._thread.join()


def serve(server: SandboxServer, ready: Callable[[str], None]) -> None:
    """Serves until interrupted (KeyboardInterrupt), for the command line.

    Args:
        server: A server that is not started.
        ready: Called with the address as soon as requests are answered.
    """
    with server:
        ready(server.url)
        server.wait()
