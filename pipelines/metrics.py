"""Metrics per destination in Prometheus' text format, read from the delivery tables.

A nightly batch has ended before Prometheus can scrape its process. The metrics are
therefore computed from the tables on request.
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

_Value = Callable[[DestinationMetrics], float]
_LabelledValues = Callable[[DestinationMetrics], Mapping[str, float]]

QUANTILES = ("0.5", "0.95", "0.99")


class DeliveryMetrics(Collector):
    """Converts measured figures to Prometheus metrics.

    Args:
        measured: Figures by destination.
        now: The current time.
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
        yield self._labelled_gauge(
            "attempts",
            "Attempts by the resulting state",
            "state",
            lambda one: one.attempts,
        )
        yield self._gauge(
            "retries", "Attempts after the first", lambda one: one.retries
        )
        yield self._labelled_gauge(
            "request_seconds",
            "Time until a reply was complete",
            "quantile",
            _quantiles,
        )
        yield self._labelled_gauge(
            "runs_stopped",
            "Runs that the circuit breaker or a limit ended early",
            "reason",
            lambda one: one.stops,
        )
        yield self._gauge(
            "oldest_unsettled_seconds",
            "Age of the oldest queued delivery; 0: none is queued",
            lambda one: self._age(one.unsettled_since),
        )
        yield self._gauge(
            "newest_complete_timestamp_seconds",
            "End, in UTC, of the newest complete partition; 0: there is none",
            lambda one: _end_of_day(one.newest_complete),
        )
        yield self._gauge(
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
            revenue: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
            for total in one.totals:
                if total.currency is not None and total.currency_digits is not None:
                    amount = from_minor(total.amount_minor, total.currency_digits)
                    revenue[total.state, total.currency] += amount
            for labels, amount in sorted(revenue.items()):
                family.add_metric([name, *labels], float(amount))
        return family

    def _age(self, since: datetime | None) -> float:
        return 0.0 if since is None else (self._now - since).total_seconds()

    def _labelled_gauge(
        self, name: str, text: str, label: str, read: _LabelledValues
    ) -> Metric:
        family = _family(name, text, label)
        for destination, one in self._measured.items():
            for value, figure in sorted(read(one).items()):
                family.add_metric([destination, value], figure)
        return family

    def _gauge(self, name: str, text: str, read: _Value) -> Metric:
        family = _family(name, text)
        for destination, one in self._measured.items():
            family.add_metric([destination], read(one))
        return family


def _end_of_day(day: date | None) -> float:
    """Return the end of a day in UTC, up to a day off the zone of the partitions."""
    if day is None:
        return 0.0
    return datetime.combine(day + timedelta(days=1), time(), UTC).timestamp()


def _family(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(
        f"attribution_{name}", text, labels=["destination", *labels]
    )


def _quantiles(one: DestinationMetrics) -> dict[str, float]:
    """Return exact quantiles; the tables have latencies in milliseconds."""
    requests = sum(one.latencies_ms.values())
    return {
        text: _latency_at(one, float(text) * requests) / 1000
        for text in QUANTILES
        if requests
    }


def _latency_at(one: DestinationMetrics, rank: float) -> int:
    passed = 0
    for milliseconds, requests in sorted(one.latencies_ms.items()):
        passed += requests
        if passed >= rank:
            return milliseconds
    return max(one.latencies_ms)


def exposition(metrics: DeliveryMetrics) -> str:
    """Return the metrics in the Prometheus text format."""
    return generate_latest(_registry(metrics)).decode()


def write_file(metrics: DeliveryMetrics, file: Path) -> None:
    """Replace a file atomically, for the textfile collector of the node exporter.

    Raises:
        ConfigError: The file cannot be written.
    """
    try:
        write_to_textfile(str(file), _registry(metrics))
    except OSError as error:
        message = (
            f"Writing metrics failed for {file}: expected a folder to write in, got "
            f"{error.strerror}. Correct --file, or let the user write there."
        )
        raise ConfigError(message) from None


def _registry(metrics: DeliveryMetrics) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(metrics)
    return registry
