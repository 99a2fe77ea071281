"""Compares the warehouse's rules of a time zone with those of this program.

Each has time zone data of its own. Where the versions differ, an order would be
counted on another day, and a click before the order would look like one after it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

import sql
from assets.source.errors import WarehouseError

Range = tuple[datetime, datetime]
"""Aware instants, [first, last]."""

COMING = timedelta(days=366)
_HOUR = timedelta(hours=1)
_WITH_ZONES = frozenset({"duckdb", "postgresql"})
"""Dialects that have rules of time zones."""


def compare_zones(
    connection: sa.Connection, zones: Iterable[ZoneInfo], ranges: Iterable[Range]
) -> None:
    """Compare the offsets of zones from UTC, hour by hour.

    Args:
        connection: To the warehouse. A database without time zones passes.
        zones: The zones in use.
        ranges: The hours to compare.

    Raises:
        WarehouseError: The rules differ. The message names both versions and the
            first and last hour that differs.
    """
    if connection.dialect.name not in _WITH_ZONES:
        return
    checked = list(ranges)
    for zone in dict.fromkeys(zones):
        differing = [
            instant
            for one in checked
            for instant in _differing_hours(connection, zone, one)
        ]
        if differing:
            raise WarehouseError(_message(connection, zone, differing))


def _differing_hours(
    connection: sa.Connection, zone: ZoneInfo, hours: Range
) -> list[datetime]:
    first, last = (at.astimezone(UTC) for at in hours)
    theirs = _changes(connection, zone, (first, last))
    found, seconds = [], 0.0
    for number in range((last - first) // _HOUR + 1):
        instant = first + number * _HOUR
        seconds = theirs.get(instant, seconds)
        offset = instant.astimezone(zone).utcoffset()
        if offset != timedelta(seconds=seconds):
            found.append(instant)
    return found


def _changes(
    connection: sa.Connection, zone: ZoneInfo, hours: Range
) -> dict[datetime, float]:
    """Return the offsets of the database in seconds, each from its first hour on."""
    parameters = {"first": hours[0], "last": hours[1], "zone": zone.key}
    try:
        rows = connection.execute(sa.text(sql.load("zone_offsets")), parameters).all()
    except SQLAlchemyError as error:
        cause = type(getattr(error, "orig", None) or error).__name__
        message = (
            f"Comparing time zones failed for {zone.key}: expected a warehouse that "
            f"knows the zone, got {cause}. Use a name of the IANA database that both "
            "know, or update the time zone data of the warehouse."
        )
        raise WarehouseError(message) from None
    return {row.instant.astimezone(UTC): float(row.seconds) for row in rows}


def _message(
    connection: sa.Connection, zone: ZoneInfo, differing: list[datetime]
) -> str:
    theirs = str(connection.execute(sa.text("select version()")).scalar_one())
    name = "DuckDB" if connection.dialect.name == "duckdb" else ""
    database = " ".join(f"{name} {theirs}".split()[:2])
    return (
        f"Comparing time zones failed for {zone.key}: expected the rules of tzdata "
        f"{version('tzdata')} in the warehouse, got other ones in {database} from "
        f"{min(differing).isoformat()} to {max(differing).isoformat()}. Update the "
        "time zone data of the warehouse, or this program's `tzdata`, to the same "
        "version. Nothing was staged or sent."
    )
