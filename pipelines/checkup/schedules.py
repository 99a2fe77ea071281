"""Checks that the schedules repeat a request while the provider drops repeats."""

from collections.abc import Collection
from datetime import timedelta

from assets.providers.base import ResendPolicy
from assets.providers.registry import make_provider
from pipelines.configuration.config import Config, ConfigError
from pipelines.runs.history import history_errors, open_instance
from pipelines.schedules import FINISH_INTERVAL, NIGHTLY_INTERVAL

_INTERVALS = {"finish_due": FINISH_INTERVAL, "nightly_export": NIGHTLY_INTERVAL}


def has_dedup_window(config: Config, name: str) -> bool:
    """Return whether a destination drops repeats for a limited time only."""
    settings = config.destinations[name]
    return settings.enabled and make_provider(settings).resend.window is not None


def check_schedules(config: Config, name: str) -> str:
    """Check the schedules that are on against the dedup window of a destination.

    Raises:
        ConfigError: They cannot meet it, or Dagster's history cannot be used.
    """
    policy = make_provider(config.destinations[name]).resend
    window = policy.window or timedelta.max
    schedules = _schedules_on()
    if not schedules:
        return (
            "no schedule that sends is on; with cron, run `attribution finish` every "
            f"{_minutes(FINISH_INTERVAL)} minutes"
        )
    latest = _latest_repeat(policy, schedules)
    if latest >= window:
        message = (
            f"Checking failed for {name}: expected the schedules to repeat a request "
            f"without a reply within dedup_window_hours ({_hours(window)}), got up to "
            f"{_hours(latest)} hours with {', '.join(sorted(schedules))}. "
            f"{_next_action(policy)}"
        )
        raise ConfigError(message)
    return (
        f"with {', '.join(sorted(schedules))}, a request without a reply is repeated "
        f"within {_hours(latest)} hours; repeats are dropped for {_hours(window)}"
    )


def _latest_repeat(policy: ResendPolicy, schedules: Collection[str]) -> timedelta:
    interval = min(_INTERVALS[name] for name in schedules)
    return policy.settle_delay + interval


def _next_action(policy: ResendPolicy) -> str:
    window = policy.window or timedelta.max
    if policy.settle_delay + FINISH_INTERVAL < window:
        return "Turn on the schedule finish_due (Automation in the UI)."
    return "Shorten settle_delay_minutes."


def _schedules_on() -> set[str]:
    """Return the schedules that send conversions and are turned on in this instance."""
    with open_instance() as instance, history_errors():
        states = instance.all_instigator_state()
    return {one.name for one in states if one.is_running and one.name in _INTERVALS}


def _hours(time: timedelta) -> str:
    return f"{time / timedelta(hours=1):g}"


def _minutes(time: timedelta) -> str:
    return f"{time / timedelta(minutes=1):g}"
