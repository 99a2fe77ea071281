"""Builds the Dagster definitions and their resources from the configuration.

Tests and the command line call `build` with a configuration of their own.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from assets import bucketing, identifiers, orders
from assets.conversions import conversions
from assets.deliveries import delivery_asset
from assets.delivery.destination import Destination
from assets.ledger.database import Database
from assets.partitions import daily, partitioned
from assets.providers.registry import REGISTRY, make_provider
from assets.providers.settings import DestinationSettings
from assets.published_deliveries import published_asset
from assets.resources import Destinations, Source
from assets.settlements import settlement_asset
from assets.source.warehouse import Warehouse
from assets.staging import Staging
from pipelines.alerts.sensors import alert_sensors
from pipelines.configuration.config import Config
from pipelines.configuration.settings import destination_urls
from pipelines.due import due_in
from pipelines.failed_partitions import publishing_job_and_sensor
from pipelines.jobs import (
    export_day,
    finish_due,
    follow_submissions,
    nightly_export,
)
from pipelines.json_logs import json_logger
from pipelines.retention import retention_job, retention_schedule
from pipelines.schedules import (
    finish_schedule,
    hourly_settlement,
    nightly_schedule,
)

_PUBLISHED_GROUPS = {"deliveries", "settlements"}
_OPERATIONAL_SETTINGS = {
    "base_url",
    "in_flight",
    "requests_per_second",
    "requests_per_hour",
    "time_budget_minutes",
    "settle_requests_per_hour",
    "lookup_requests_per_hour",
    "lookup_page_size",
}


def build(config: Config) -> dg.Definitions:
    """Return the Dagster definitions of a deployment."""
    partitions = daily(config.timezone, config.start_date)
    nightly = nightly_schedule(
        partitions, hour=config.nightly_hour, lookback_days=config.lookback_days
    )
    finish = finish_schedule(
        partitions, lambda: due_in(config), published=config.publish
    )
    retention = retention_job(config.keep_bodies_days, published=config.publish)
    queues = any(REGISTRY[one.provider].queues for one in config.destinations.values())
    publishing = [publishing_job_and_sensor()] if config.publish else []
    definitions = dg.Definitions(
        assets=partitioned(_assets(config), partitions, config.backfill_days_per_run),
        jobs=[
            *(export_day, nightly_export, finish_due, retention),
            *([follow_submissions] if queues else []),
            *(job for job, _ in publishing),
        ],
        schedules=[
            *(nightly, finish, retention_schedule(retention, config.timezone)),
            *([hourly_settlement(partitions)] if queues else []),
        ],
        resources={
            "source": dg.ResourceDefinition(lambda _context: managed_source(config)),
            "destinations": dg.ResourceDefinition(
                lambda _context: open_destinations(config)
            ),
        },
        executor=dg.in_process_executor,
        loggers={"console": json_logger} if config.log_format == "json" else None,
        sensors=[
            # `definitions` is not assigned yet when this line runs.
            *alert_sensors(config, lambda: definitions.resolve_asset_graph()),  # noqa: PLW0108
            *(sensor for _, sensor in publishing),
        ],
    )
    return definitions


def open_source(config: Config) -> Source:
    """Return the source; the caller disposes of its database.

    Raises:
        ConfigError: A variable that the source needs is not set.
    """
    for key in ("warehouse_url", "ledger_url", "staging", "extract_dir"):
        config.require(key)
    return Source(
        warehouse=Warehouse(
            config.warehouse_url.get_secret_value(),
            extract_dir=config.extract_dir,
            source_timezone=config.source_timezone,
            partition_zone=config.zone,
            chunk_rows=config.chunk_rows,
        ),
        staging=Staging(config.staging),
        database=Database(config.ledger_url.get_secret_value()),
        allow_orders_without_items=config.allow_orders_without_items,
        guards=config.guards,
        zone=config.zone,
        extra_columns=frozenset().union(
            *map(extra_columns, config.destinations.values())
        ),
    )


def extra_columns(
    settings: DestinationSettings, statement: str | None = None
) -> frozenset[str]:
    """Return the columns beyond the contract that a destination maps.

    Args:
        settings: The destination.
        statement: Only columns of this statement; None for all statements.
    """
    return frozenset(
        column.removeprefix("extra.")
        for of_statement, columns in settings.mapped_columns.items()
        for column in columns
        if column.startswith("extra.") and statement in {None, of_statement}
    )


@contextmanager
def managed_source(config: Config) -> Iterator[Source]:
    """Open the source for the duration of the block."""
    source = open_source(config)
    try:
        yield source
    finally:
        source.database.dispose()


def open_destinations(config: Config) -> Destinations:
    """Return the destinations; the secrets of one are read when it is opened."""
    return Destinations(
        zone=config.zone,
        make_destination=lambda name: open_destination(config, name),
        urls={name: destination_urls(one) for name, one in config.destinations.items()},
        credentials={name: config.credentials(name) for name in config.destinations},
        outbox=config.staging / "outbox",
        spool=config.staging / "spool",
        ca_bundle=config.ca_bundle,
        proxy=config.proxy.get_secret_value() if config.proxy else None,
        allow_private_hosts=config.allow_private_hosts,
        checks=config.checks,
    )


def open_destination(config: Config, name: str) -> Destination:
    """Return one configured destination.

    Raises:
        ConfigError: A variable that the destination needs is not set.
    """
    config.require(f"destinations.{name}")
    settings = config.destinations[name]
    # The dump masks secrets. Neither they nor the limits change what is reported.
    shape = settings.model_dump_json(exclude=_OPERATIONAL_SETTINGS)
    return Destination(
        name=name,
        provider_name=settings.provider,
        provider=make_provider(settings),
        mapping_version=_digest(shape),
        replies=REGISTRY[settings.provider].replies,
        is_enabled=settings.enabled,
        account=_digest("\x1f".join(config.account(name))),
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _assets(config: Config) -> Sequence[dg.AssetsDefinition]:
    assets = [
        orders.completed_orders,
        orders.order_items,
        identifiers.visitor_identifiers,
        bucketing.visitor_bucketing,
        bucketing.visitor_segments,
        conversions,
    ]
    for name, settings in config.destinations.items():
        assets.append(delivery_asset(name, settings.provider))
        if REGISTRY[settings.provider].queues:
            assets.append(settlement_asset(name, settings.provider))
    if config.publish:
        published = [
            asset.key for asset in assets if asset.key.path[0] in _PUBLISHED_GROUPS
        ]
        assets.append(published_asset(published))
    return assets
