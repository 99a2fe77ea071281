"""How alerts read: what, where, how much, what to do. No order, person or secret."""

from collections.abc import Callable, Sequence
from urllib.parse import quote

from pydantic import BaseModel

from pipelines.alerts.rules import News

SHOWN = 31
Figures = Callable[[str, Sequence[str]], str]
"""Says of the deliveries of a destination and its partitions what is unfinished."""


class Message(BaseModel):
    """One message.

    Attributes:
        is_good: It tells of nothing that is wrong.
    """

    title: str
    body: str
    is_good: bool


def message(news: Sequence[News], figures: Figures, ui_url: str | None) -> Message:
    """Put some news into one message."""
    return Message(
        title=headline(news),
        body="\n\n".join(paragraph(one, figures, ui_url) for one in news),
        is_good=all(one.kind == "recovered" for one in news),
    )


def together(messages: Sequence[Message]) -> Message:
    """Put messages that had to wait into one; a single one stays as it is."""
    if len(messages) == 1:
        return messages[0]
    return Message(
        title=f"attribution: {len(messages)} messages that waited, oldest first",
        body="\n\n".join(one.body for one in messages),
        is_good=all(one.is_good for one in messages),
    )


def headline(news: Sequence[News]) -> str:
    """Return the line that a phone shows."""
    if len(news) == 1:
        one = news[0]
        level = "warning" if one.kind == "failed" and one.level == "warn" else one.kind
        return f"attribution {level}: {_what(one)}"
    failed = [one for one in news if one.kind == "failed"]
    errors = sum(one.level == "error" for one in failed)
    counts = {
        "failed": errors,
        "warned": len(failed) - errors,
        "recovered": len(news) - len(failed),
    }
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"attribution: {said}"


def paragraph(one: News, figures: Figures, ui_url: str | None) -> str:
    """Return one piece of news with its figures, the next action and a link."""
    word = "WARNING" if (one.kind, one.level) == ("failed", "warn") else one.kind
    lines = [f"{word.upper()} {_what(one)}"]
    if one.kind == "failed":
        lines += _told(one, figures)
    if ui_url is not None:
        lines.append(_link(one, ui_url))
    return "\n".join(lines)


def _told(one: News, figures: Figures) -> list[str]:
    if one.check is not None:
        return [one.text or "Look at the metadata of the check in the UI."]
    if one.text:
        return [one.text, _IF_RIGHT.format(one.partitions[0])]
    first, last = one.partitions[0], one.partitions[-1]
    names = [_destination(asset) for asset in one.subjects]
    to = "".join(f" --destination {name}" for name in names if name)
    if not all(names):
        to = ""
    found = [said for name in names if name and (said := figures(name, one.partitions))]
    return [
        *found,
        "Look at the first error of the run: where the provider did not answer, or "
        "with 5xx, wait for the provider; else mend it. Then run again what failed: "
        f"attribution backfill --from {first} --to {last}{to}, or in the UI "
        "Materialize, Failed. What is delivered is not sent again.",
    ]


_IF_RIGHT = (
    "Running it again changes nothing while the warehouse says the same. If it is "
    'right: attribution export --date {} --override "REASON", or in the UI '
    "Materialize, Open launchpad: "
    'ops: {{completed_orders: {{config: {{override: "REASON"}}}}}}.'
)


def _destination(asset: str) -> str:
    group, _, name = asset.partition("/")
    return name if group in {"deliveries", "settlements"} else ""


def _what(one: News) -> str:
    subjects = ", ".join(one.subjects).replace(":", " ")
    days = one.partitions
    if not days:
        return subjects
    count = f" ({len(days)} days)" if len(days) > 1 else ""
    more = f" and {len(days) - SHOWN} more" if len(days) > SHOWN else ""
    return f"{subjects} {', '.join(days[:SHOWN])}{more}{count}"


def _link(one: News, ui_url: str) -> str:
    asset = one.subjects[0].partition(":")[0]
    if one.check is not None:
        view = f"view=checks&checkDetail={one.check}"
    elif len(one.partitions) == 1:
        view = f"view=partitions&partition={one.partitions[0]}"
    else:
        view = "view=partitions"
    return f"{ui_url.rstrip('/')}/assets/{quote(asset)}?{view}"
