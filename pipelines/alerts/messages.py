"""Alert messages: what happened, where, how much, what to do next.

A message names no order, no person and no secret.
"""

from collections.abc import Callable, Sequence
from urllib.parse import quote

from pydantic import BaseModel

from pipelines.alerts.rules import Alert

MAX_PARTITIONS_SHOWN = 31
DescribeUnfinished = Callable[[str, Sequence[str]], str]
"""Destination, partitions -> a sentence about their unfinished deliveries."""


class Message(BaseModel):
    """One message.

    Attributes:
        is_good: Whether it reports recoveries only.
    """

    title: str
    body: str
    is_good: bool


def compose(
    alerts: Sequence[Alert], describe: DescribeUnfinished, ui_url: str | None
) -> Message:
    """Return one message with all alerts."""
    return Message(
        title=headline(alerts),
        body="\n\n".join(paragraph(alert, describe, ui_url) for alert in alerts),
        is_good=all(alert.kind == "recovered" for alert in alerts),
    )


def combine(messages: Sequence[Message]) -> Message:
    """Return one message with the bodies of several; a single one is unchanged."""
    if len(messages) == 1:
        return messages[0]
    return Message(
        title=f"attribution: {len(messages)} messages that waited, oldest first",
        body="\n\n".join(one.body for one in messages),
        is_good=all(one.is_good for one in messages),
    )


def headline(alerts: Sequence[Alert]) -> str:
    """Return the title, the one line that a phone shows."""
    if len(alerts) == 1:
        alert = alerts[0]
        word = "warning" if _is_warning(alert) else alert.kind
        return f"attribution {word}: {_subject(alert)}"
    failed = [alert for alert in alerts if alert.kind == "failed"]
    errors = sum(alert.level == "error" for alert in failed)
    counts = {
        "failed": errors,
        "warned": len(failed) - errors,
        "recovered": len(alerts) - len(failed),
    }
    listed = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"attribution: {listed}"


def paragraph(alert: Alert, describe: DescribeUnfinished, ui_url: str | None) -> str:
    """Return one alert with its figures, the next action and a link."""
    word = "WARNING" if _is_warning(alert) else alert.kind.upper()
    lines = [f"{word} {_subject(alert)}"]
    if alert.kind == "failed":
        lines += _details(alert, describe)
    if ui_url is not None:
        lines.append(_link(alert, ui_url))
    return "\n".join(lines)


def _is_warning(alert: Alert) -> bool:
    return (alert.kind, alert.level) == ("failed", "warn")


def _details(alert: Alert, describe: DescribeUnfinished) -> list[str]:
    if alert.check is not None:
        return [alert.text or "See the metadata of the check in the UI."]
    if alert.text:
        return [alert.text, _OVERRIDE_ACTION.format(alert.partitions[0])]
    names = [_destination(asset) for asset in alert.subjects]
    figures = [describe(name, alert.partitions) for name in names if name]
    options = "".join(f" --destination {name}" for name in names)
    return [
        *(text for text in figures if text),
        _RERUN_ACTION.format(
            first=alert.partitions[0],
            last=alert.partitions[-1],
            options=options if all(names) else "",
        ),
    ]


_RERUN_ACTION = (
    "Look at the first error of the run. If the provider did not answer, or answered "
    "5xx, wait for the provider; otherwise fix the cause. Then run the failed "
    "partitions again: attribution backfill --from {first} --to {last}{options}, or "
    "in the UI Materialize, Failed. Delivered orders are not sent again."
)
_OVERRIDE_ACTION = (
    "Running the day again changes nothing until the warehouse changes. If the day is "
    'right: attribution export --date {} --override "REASON", or in the UI '
    "Materialize, Open launchpad: "
    'ops: {{completed_orders: {{config: {{override: "REASON"}}}}}}.'
)


def _destination(asset: str) -> str:
    group, _, name = asset.partition("/")
    return name if group in {"deliveries", "settlements"} else ""


def _subject(alert: Alert) -> str:
    subjects = ", ".join(alert.subjects).replace(":", " ")
    days = alert.partitions
    if not days:
        return subjects
    hidden = len(days) - MAX_PARTITIONS_SHOWN
    more = f" and {hidden} more" if hidden > 0 else ""
    count = f" ({len(days)} days)" if len(days) > 1 else ""
    return f"{subjects} {', '.join(days[:MAX_PARTITIONS_SHOWN])}{more}{count}"


def _link(alert: Alert, ui_url: str) -> str:
    asset = alert.subjects[0].partition(":")[0]
    if alert.check is not None:
        view = f"view=checks&checkDetail={alert.check}"
    elif len(alert.partitions) == 1:
        view = f"view=partitions&partition={alert.partitions[0]}"
    else:
        view = "view=partitions"
    return f"{ui_url.rstrip('/')}/assets/{quote(asset)}?{view}"
