"""Sends messages by e-mail, Slack, Teams, a webhook, or any other Apprise service.

The whole address of a channel is a secret. Apprise logs addresses, so that its log is
switched off here.
"""

import logging

from pipelines.alerts.messages import Message
from pipelines.configuration.alerts import Channel

CONNECT_SECONDS, READ_SECONDS = 5.0, 10.0
"""Apprise's defaults are 4 seconds each. A slower webhook takes the message after
Apprise has given up, and would get it again."""
TIMEOUT_SECONDS = CONNECT_SECONDS + READ_SECONDS
"""Bounds the time that one channel takes of a tick."""

logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)

# Importing Apprise takes a third of a second, and runs do not need it.
# ruff: noqa: PLC0415


def send(channel: Channel, message: Message) -> bool:
    """Send a message; return whether the channel took it."""
    import apprise

    sender = apprise.Apprise()
    if not sender.add(channel.url.get_secret_value()):
        return False
    for service in sender:
        service.socket_connect_timeout = max(
            service.socket_connect_timeout, CONNECT_SECONDS
        )
        service.socket_read_timeout = max(service.socket_read_timeout, READ_SECONDS)
    good, bad = apprise.NotifyType.SUCCESS, apprise.NotifyType.FAILURE
    taken = sender.notify(
        body=message.body,
        title=message.title,
        notify_type=good if message.is_good else bad,
        body_format=apprise.NotifyFormat.TEXT,
        timeout=TIMEOUT_SECONDS,
    )
    return bool(taken)


def is_valid_address(channel: Channel) -> bool:
    """Return whether Apprise can send to the address of a channel."""
    import apprise

    return bool(apprise.Apprise().add(channel.url.get_secret_value()))
