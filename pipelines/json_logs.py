"""Log lines as JSON, one object per line, for log collectors.

Dagster's own JSON logger prints all attributes of a Python log record. This one prints
the keys that a person searches for.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import dagster as dg


def json_line(level: str, message: str, *, at: float, **more: Any) -> str:
    """Return one line.

    Args:
        level: `INFO` and so on.
        message: The message.
        at: Seconds since the epoch.
        more: Further keys; those without a value are left out.
    """
    present = {key: value for key, value in more.items() if value}
    when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"at": when, "level": level, "message": message, **present})


class JsonFormatter(logging.Formatter):
    """Formats a record of a Dagster run."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        meta = getattr(record, "dagster_meta", {})
        return json_line(
            record.levelname,
            meta.get("orig_message") or record.getMessage(),
            at=record.created,
            run_id=meta.get("run_id"),
            job=meta.get("job_name"),
            step=meta.get("step_key"),
            event=meta.get("dagster_event") and meta["dagster_event"].event_type_value,
            error=_error(meta.get("dagster_event")),
        )


def _error(event: dg.DagsterEvent | None) -> str | None:
    error = getattr(event and event.event_specific_data, "error", None)
    if error is None:
        return None
    return str((error.cause or error).message).strip()


@dg.logger({"log_level": dg.Field(str, default_value="DEBUG")})
def json_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """Log lines of a run as JSON on stderr; Dagster's own events are DEBUG."""
    logger = logging.Logger("dagster", context.logger_config["log_level"])
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    return logger
