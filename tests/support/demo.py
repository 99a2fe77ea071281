"""`attribution demo` in a folder of its own, with few orders and without waiting."""

import io
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import create_engine, text

from pipelines.demo import runner
from pipelines.demo.warehouse import seed
from pipelines.sandbox.journal import Entry
from support.deployment import disable_in_run_retries

ORDERS = 150
FINISHED_DEMO_ORDERS = 800
"""Faults depend on order ids, which have the date. With fewer orders, some dates meet
only some of the faults."""


@dataclass(frozen=True)
class FinishedDemo:
    """A demo that has run while another sandbox had the usual port.

    Attributes:
        usual_port: Stands for 8787, which may be free on this machine or not.
        stray: What the other sandbox got.
    """

    folder: Path
    status: int
    printed: str
    usual_port: int
    stray: list[Entry]


def prepare(
    folder: Path, monkeypatch: pytest.MonkeyPatch, orders: int = ORDERS
) -> None:
    """Let the demo run in `folder`, with fewer orders."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(runner, "seed", partial(seed, orders_per_day=orders))
    disable_in_run_retries(monkeypatch)


def demo(**options: Any) -> tuple[int, str]:
    """Run it; return the exit status and what was printed."""
    printed = io.StringIO()
    status = runner.run_demo(
        Console(file=printed, width=200), **({"ui": False} | options)
    )
    return status, printed.getvalue()


def start_no_ui(
    monkeypatch: pytest.MonkeyPatch,
) -> list[tuple[dict[str, str], int]]:
    """Start no UI; keep the environment and port it would have been started with."""
    started: list[tuple[dict[str, str], int]] = []

    def run_ui(environ: dict[str, str], port: int, _kept_open: object) -> int:
        started.append((environ, port))
        return 0

    monkeypatch.setattr(runner, "run_ui", run_ui)
    return started


def states(folder: Path, destination: str) -> Counter[str]:
    engine = create_engine(f"sqlite:///{folder}/var/demo/ledger.db")
    with engine.connect() as connection:
        found = connection.execute(
            text(
                "select state, count(*) from delivery where destination = :d group by 1"
            ),
            {"d": destination},
        )
        counted = Counter({row[0]: row[1] for row in found})
    engine.dispose()
    return counted


def contents(folder: Path) -> dict[Path, bytes]:
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
