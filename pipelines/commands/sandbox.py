"""The command `sandbox`."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pipelines.commands.shared import console, reports_errors
from pipelines.configuration.config import ConfigError


@reports_errors
def sandbox(
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Port on 127.0.0.1; 0: a free one.",
            show_default="8787, or a free one",
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help=escape(
                "A fault: provider[/account]:kind[=value][@rate][~order][#first-n], "
                "for example trackdesk/bumpy:status=503@0.2."
            )
        ),
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="JSON Lines file of every request."),
    ] = None,
) -> None:
    """Simulate the four providers, and print the requests that they receive."""
    from pipelines.sandbox.server import SandboxServer, serve

    with _listening(port) as listener:
        try:
            server = SandboxServer(
                listener, journal, fault or [], on_entry=_print_entry
            )
        except ValueError as error:
            raise ConfigError(str(error)) from None
        try:
            serve(
                server, lambda url: console.print(f"Sandbox at {url}; Ctrl-C ends it.")
            )
        except KeyboardInterrupt:
            console.print("Sandbox ended.")


@contextmanager
def _listening(port: int | None) -> Iterator[socket.socket]:
    """Yield a listening socket; without a port, on the usual port or a free one."""
    from pipelines.configuration.sandbox_port import (
        DEMO_FOLDER,
        recorded,
        recording,
    )
    from pipelines.demo.ports import moved, sandbox_listener
    from pipelines.sandbox.listening import listen, port_of

    if port is not None:
        with closing(listen(port)) as listener:
            yield listener
        return
    before = recorded()
    # The UI of a demo that is running keeps the sandbox that it was started with.
    is_for_demo = DEMO_FOLDER.is_dir() and not (before and before.is_running)
    with closing(sandbox_listener()) as listener, ExitStack() as stack:
        found = port_of(listener)
        if is_for_demo:
            stack.enter_context(recording(found, before))
        if message := moved(found):
            follow = "The demo's destinations follow."
            console.print(message, follow if is_for_demo else "Name it in `base_url`.")
        yield listener


def _print_entry(entry: Any) -> None:
    from pipelines.sandbox.console_output import format_entry

    console.print(format_entry(entry), markup=False, highlight=False)
