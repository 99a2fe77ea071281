"""The port of the demo's sandbox, kept in the demo's folder for later commands.

The demo's destinations name port 8787. Where another program has it, the sandbox takes
another port, and `load_config` puts that one into their addresses.
"""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

DEMO_FOLDER = Path("var/demo")
SANDBOX_PORT = 8787
RECORD = DEMO_FOLDER / "sandbox-port.json"
_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Listener:
    """The sandbox that the demo's destinations talk to.

    Attributes:
        port: The port it listens on.
        process: The process that it runs in.
    """

    port: int
    process: int

    @property
    def is_running(self) -> bool:
        """Whether it is there, in another process than this one."""
        if self.process == os.getpid() or not _is_alive(self.process):
            return False
        # After a restart of the machine the process may be any other.
        with socket.socket() as client:
            return client.connect_ex((_HOST, self.port)) == 0


def recorded() -> Listener | None:
    """Return the sandbox of this folder's demo that started last, running or not."""
    try:
        found = json.loads(RECORD.read_text(encoding="utf-8"))
        port, process = int(found["port"]), int(found["process"])
    except (OSError, ValueError, TypeError, LookupError):
        return None
    is_usable = 0 < port < 2**16 and process > 0
    return Listener(port, process) if is_usable else None


@contextmanager
def recording(port: int, before: Listener | None) -> Iterator[None]:
    """Let the demo's destinations talk to a sandbox of this process.

    Afterwards they talk to the one before, if it still runs. If not, the port stays:
    the next sandbox takes it again if it can.

    Args:
        port: The port that the sandbox listens on.
        before: What was recorded.
    """
    _write(Listener(port, os.getpid()))
    try:
        yield
    finally:
        if before is not None and before.is_running:
            _write(before)


def follow_sandbox(tree: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Lead the demo's destinations to the port on which its sandbox listens.

    Args:
        tree: The demo's configuration, as read from its file.

    Returns:
        The same with each `base_url` at that port; and destination -> its `base_url` in
        the file.
    """
    sandbox = recorded()
    port = SANDBOX_PORT if sandbox is None else sandbox.port
    written = {
        name: one["base_url"]
        for name, one in tree["destinations"].items()
        if "base_url" in one
    }
    moved = {
        name: one | ({"base_url": _at(port, written[name])} if name in written else {})
        for name, one in tree["destinations"].items()
    }
    return {**tree, "destinations": moved}, written


def _at(port: int, url: str) -> str:
    return url.replace(f"//{_HOST}:{SANDBOX_PORT}/", f"//{_HOST}:{port}/", 1)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _write(listener: Listener) -> None:
    unfinished = RECORD.with_name(f".{RECORD.name}.new")
    unfinished.write_text(json.dumps(asdict(listener)) + "\n", encoding="utf-8")
    unfinished.replace(RECORD)
