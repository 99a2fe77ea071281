"""The Dagster sensor that sends alerts, made from the configuration."""

from collections.abc import Callable, Sequence

import dagster as dg

from assets.dagster_internals import AssetGraph
from pipelines.alerts.channels import send
from pipelines.alerts.figures import describe_unfinished
from pipelines.alerts.messages import Message
from pipelines.alerts.notifier import Notifier
from pipelines.configuration.alerts import AlertSettings
from pipelines.configuration.config import Config, ConfigError


def alert_sensors(
    config: Config, graph: Callable[[], AssetGraph]
) -> list[dg.SensorDefinition]:
    """Return the sensor of a deployment; none if no channel is configured."""
    if not config.alerts.channels:
        return []
    return [_sensor(make_notifier(config, graph), config.alerts)]


def make_notifier(config: Config, graph: Callable[[], AssetGraph]) -> Notifier:
    """Return the notifier of a deployment.

    Args:
        config: The deployment.
        graph: Returns the assets and checks of the deployment.
    """

    def send_to(name: str, message: Message) -> bool:
        try:
            config.require(f"alerts.channels.{name}")
        except ConfigError:
            return False
        return send(config.alerts.channels[name], message)

    def describe(destination: str, partitions: Sequence[str]) -> str:
        return describe_unfinished(config, destination, partitions)

    return Notifier(config.alerts, graph, describe, send=send_to)


def _sensor(notifier: Notifier, settings: AlertSettings) -> dg.SensorDefinition:
    @dg.sensor(
        name="alerts",
        description="Sends failures and recoveries to the configured channels.",
        minimum_interval_seconds=settings.every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        cursor, summary = notifier.tick(context.instance, context.cursor)
        context.update_cursor(cursor)
        return dg.SkipReason(summary)

    return sensor
