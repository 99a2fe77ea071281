"""How a message leaves: e-mail, Slack, Teams, a webhook, whatever Apprise knows.

An address is a secret as a whole, and Apprise writes addresses into its log: here it
writes none.
"""

import logging

from pipelines.alerts.rules import Channel
from pipelines.alerts.text import Message

CONNECT_SECONDS, READ_SECONDS = 5.0, 10.0
"""Apprise's own are 4: a slower webhook takes a message and seems not to have."""
TIMEOUT_SECONDS = CONNECT_SECONDS + READ_SECONDS
"""A channel that does not answer must not use up the time of a look."""

logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)

# Apprise takes a third of a second to import, which no run needs.
# ruff: noqa: PLC0415


def send(channel: Channel, message: Message) -> bool:
    """Send a message; return whether the channel took it."""
    import apprise

    sender = apprise.Apprise()
    if not sender.add(channel.url.get_secret_value()):
        return False
    for one in sender:
        one.socket_connect_timeout = max(one.socket_connect_timeout, CONNECT_SECONDS)
        one.socket_read_timeout = max(one.socket_read_timeout, READ_SECONDS)
    good, bad = apprise.NotifyType.SUCCESS, apprise.NotifyType.FAILURE
    taken = sender.notify(
        body=message.body,
        title=message.title,
        notify_type=good if message.is_good else bad,
        body_format=apprise.NotifyFormat.TEXT,
        timeout=TIMEOUT_SECONDS,
    )
    return bool(taken)


def is_understood(channel: Channel) -> bool:
    """Tell whether an address is one that a message can be sent to."""
    import apprise

    return bool(apprise.Apprise().add(channel.url.get_secret_value()))
