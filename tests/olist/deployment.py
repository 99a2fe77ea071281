"""A deployment for the Olist orders in a folder of its own: the real `attribution`.

Warehouse, delivery tables, staged files and Dagster's history are all below it.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from sqlalchemy import text

from assets.ledger.database import Database
from olist.loader import STATEMENTS, load
from olist.visitors import MadeUp
from pipelines.sandbox.server import SandboxServer
from support.project import ROOT

CONFIG = Path(__file__).parent / "destinations.toml"

ACCOUNTS = {
    "impact_shop": ("impact", "IRshop"),
    "impact_app": ("impact", "IRapp"),
    "convert_web": ("convert", "10012345"),
    "trackdesk_clicks": ("trackdesk", "clicks"),
    "trackdesk_linked": ("trackdesk", "linked"),
    "idme_wallet": ("idme", ""),
}
"""Destination -> provider and account, as the sandbox calls them."""


class Deployment:
    """One folder, one sandbox, one seeded warehouse.

    Args:
        folder: Empty.
        sandbox: Started; stands in for the providers.
        made_up: The visitors.
    """

    def __init__(self, folder: Path, sandbox: SandboxServer, made_up: MadeUp) -> None:
        self.folder = folder
        self.sandbox = sandbox.sandbox
        self.warehouse = folder / "warehouse.duckdb"
        load(self.warehouse, made_up)
        instance = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
        history = folder / "history"
        (folder / "dagster.yaml").write_text(
            instance.replace("base_dir: .dagster", f"base_dir: {history}"),
            encoding="utf-8",
        )
        ledger_url = f"sqlite:///{folder}/ledger.db"
        self.database = Database(ledger_url)
        self._environment = {
            **os.environ,
            "DAGSTER_HOME": str(folder),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "ATTRIBUTION_CONFIG": str(CONFIG),
            "OLIST_WAREHOUSE_URL": f"duckdb:///{self.warehouse}",
            "OLIST_LEDGER_URL": ledger_url,
            "OLIST_STAGING": str(folder / "staging"),
            "OLIST_STATEMENTS": str(STATEMENTS),
            "OLIST_TOKEN": "sandbox",
            "OLIST_SHOP_SID": ACCOUNTS["impact_shop"][1],
            "OLIST_APP_SID": ACCOUNTS["impact_app"][1],
            "OLIST_IMPACT_URL": f"{sandbox.url}/impact",
            "OLIST_CONVERT_URL": f"{sandbox.url}/convert",
            "OLIST_CLICKS_URL": f"{sandbox.url}/trackdesk/clicks",
            "OLIST_LINKED_URL": f"{sandbox.url}/trackdesk/linked",
            "OLIST_IDME_URL": f"{sandbox.url}/idme/events",
        }

    def backfill(self, first: date, last: date) -> "subprocess.CompletedProcess[str]":
        """Run `attribution backfill`, as a person would, and wait for its end."""
        command = Path(sys.executable).parent / "attribution"
        return subprocess.run(
            [command, "backfill", "--from", f"{first}", "--to", f"{last}"],
            env=self._environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def published(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse for its copy of the delivery tables."""
        with duckdb.connect(str(self.warehouse), read_only=True) as database:
            return database.execute(statement).fetchall()

    def rows(self, statement: str) -> Sequence[dict[str, Any]]:
        """Ask the delivery tables, as an analyst would."""
        with self.database.read() as connection:
            found = connection.execute(text(statement)).mappings()
            return [dict(row) for row in found]
