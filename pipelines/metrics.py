"""Metrics per destination in Prometheus' text format, read from the delivery tables.

A nightly batch has ended long before anybody scrapes it, so nothing is counted in
processes: whoever asks, whenever, gets what the tables say.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, write_to_textfile
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from assets.figures.metrics import DestinationMetrics
from assets.ledger.states import State
from assets.money import from_minor
from pipelines.configuration.config import ConfigError

_ReadOne = Callable[[DestinationMetrics], float]
_ReadMany = Callable[[DestinationMetrics], Mapping[str, float]]

QUANTILES = ("0.5", "0.95", "0.99")


class DeliveryMetrics(Collector):
    """Turns measured figures into metrics.

    Args:
        measured: By destination.
        now: The time.
    """

    def __init__(
        self, measured: Mapping[str, DestinationMetrics], now: datetime
    ) -> None:
        self._measured = measured
        self._now = now

    def collect(self) -> Iterable[Metric]:
        """Return every metric."""
        yield self._conversions()
        yield self._money()
        yield self._gauge(
            "attempts",
            "Attempts by the state to which they led",
            "state",
            lambda one: one.attempts,
        )
        yield self._plain(
            "retries", "Attempts after the first", lambda one: one.retries
        )
        yield self._gauge(
            "request_seconds",
            "Time until a reply was complete",
            "quantile",
            _quantiles,
        )
        yield self._gauge(
            "runs_stopped",
            "Runs that the brake or something else ended early",
            "reason",
            lambda one: one.stops,
        )
        yield self._plain(
            "oldest_unsettled_seconds",
            "How long the oldest queued delivery waits; 0: none does",
            lambda one: self._age(one.unsettled_since),
        )
        yield self._plain(
            "newest_complete_timestamp_seconds",
            "End, in UTC, of the newest partition with nothing left; 0: none yet",
            lambda one: _end_of_day(one.newest_complete),
        )
        yield self._plain(
            "partitions_left",
            "Partitions that another run would finish",
            lambda one: one.partitions_left,
        )

    def _conversions(self) -> Metric:
        family = _family("conversions", "Conversions by state", "state")
        for name, one in self._measured.items():
            orders = dict.fromkeys(State, 0)
            for total in one.totals:
                orders[total.state] += total.orders
            for state, count in orders.items():
                family.add_metric([name, state], count)
        return family

    def _money(self) -> Metric:
        family = _family("revenue", "Revenue by state", "state", "currency")
        for name, one in self._measured.items():
            worth: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
            for total in one.totals:
                if total.currency is not None and total.currency_digits is not None:
                    amount = from_minor(total.amount_minor, total.currency_digits)
                    worth[total.state, total.currency] += amount
            for labels, amount in sorted(worth.items()):
                family.add_metric([name, *labels], float(amount))
        return family

    def _age(self, since: datetime | None) -> float:
        return 0.0 if since is None else (self._now - since).total_seconds()

    def _gauge(self, name: str, text: str, label: str, read: _ReadMany) -> Metric:
        family = _family(name, text, label)
        for destination, one in self._measured.items():
            for value, figure in sorted(read(one).items()):
                family.add_metric([destination, value], figure)
        return family

    def _plain(self, name: str, text: str, read: _ReadOne) -> Metric:
        family = _family(name, text)
        for destination, one in self._measured.items():
            family.add_metric([destination], read(one))
        return family


def _end_of_day(day: date | None) -> float:
    """Without the zone of the partitions, which moves it by less than a day."""
    if day is None:
        return 0.0
    return datetime.combine(day + timedelta(days=1), time(), UTC).timestamp()


def _family(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(
        f"attribution_{name}", text, labels=["destination", *labels]
    )


def _quantiles(one: DestinationMetrics) -> dict[str, float]:
    """Exact ones: a millisecond is the unit in which requests are kept."""
    requests = sum(one.latencies_ms.values())
    return {
        text: _reached(one, float(text) * requests) / 1000
        for text in QUANTILES
        if requests
    }


def _reached(one: DestinationMetrics, wanted: float) -> int:
    passed = 0
    for milliseconds, requests in sorted(one.latencies_ms.items()):
        passed += requests
        if passed >= wanted:
            return milliseconds
    return max(one.latencies_ms)


def exposition(metrics: DeliveryMetrics) -> str:
    """Return the text that Prometheus reads."""
    return generate_latest(_registry(metrics)).decode()


def write(metrics: DeliveryMetrics, file: Path) -> None:
    """Replace a file at once, for the textfile collector of the node exporter.

    Raises:
        ConfigError: It cannot be written there.
    """
    try:
        write_to_textfile(str(file), _registry(metrics))
    except OSError as wrong:
        message = (
            f"Writing metrics failed for {file}: expected a folder to write in, got "
            f"{wrong.strerror}. Correct --file, or give its user the right."
        )
        raise ConfigError(message) from None


def _registry(metrics: DeliveryMetrics) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(metrics)
    return registry
