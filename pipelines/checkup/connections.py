"""Checks the connection to a provider: DNS, TCP and TLS, without a request.

The connection itself belongs in `assets.transport`; the timeout and the messages belong
here.
"""

import ssl
import threading
from typing import cast
from urllib.parse import urlsplit

from assets.providers.replies import CERTIFICATE, PRIVATE_ADDRESS
from assets.providers.settings import LOOPBACK_HOSTS
from assets.transport.errors import NO_ANSWER, REFUSED, UNKNOWN_NAME
from assets.transport.http import CONNECT_SECONDS, HttpTransport
from pipelines.build import open_destination, open_destinations
from pipelines.configuration.config import Config, ConfigError
from pipelines.configuration.settings import destination_urls

_ERRORS = {
    UNKNOWN_NAME: (
        "an unknown host name",
        "Check the address, and the name servers of this machine",
    ),
    REFUSED: (
        "a refused connection",
        "Check the address and the firewall, or wait for the provider",
    ),
    NO_ANSWER: (
        "no answer in {seconds:g} seconds",
        "Check the address, the firewall and `proxy`, or wait for the provider",
    ),
    CERTIFICATE: (
        "a certificate that cannot be verified",
        "Check the address; `ca_bundle` names the authorities to trust",
    ),
    PRIVATE_ADDRESS: (
        "an address in a private network",
        "Check the address; `allow_private_hosts` allows it",
    ),
}
_OTHER_ACTION = "Check the address and `proxy`"
_SANDBOX_ACTION = (
    "Start `attribution sandbox`, or check without connections (--offline)"
)


def needs_connection(config: Config, name: str) -> bool:
    """Return whether a run connects to a destination, and does not write a file."""
    settings = config.destinations[name]
    channel = open_destination(config, name).provider.channel
    return settings.enabled and channel == "http"


def connect(config: Config, name: str) -> str:
    """Connect to a destination with the settings of a run, and disconnect.

    Returns:
        Text that names the host.

    Raises:
        ConfigError: The host does not answer, or a run must not connect to it.
    """
    _check_ca_bundle(config, name)
    destination = open_destination(config, name)
    transport = open_destinations(config).transport(destination, "")
    http = cast("HttpTransport", transport)  # `needs_connection` ensures it
    (url,) = destination_urls(config.destinations[name])
    error = _connection_error(http, url)
    if error is None:
        return f"{urlsplit(url).netloc} answers; no request was made"
    got, action = _ERRORS.get(error, (error, _OTHER_ACTION))
    if error == REFUSED and urlsplit(url).hostname in LOOPBACK_HOSTS:
        action = _SANDBOX_ACTION
    message = (
        f"Connecting failed for {name}: expected {urlsplit(url).netloc} to answer, got "
        f"{got.format(seconds=CONNECT_SECONDS)}. {action}."
    )
    raise ConfigError(message)


def _check_ca_bundle(config: Config, name: str) -> None:
    if config.ca_bundle is None:
        return
    try:
        ssl.create_default_context(cafile=config.ca_bundle)
    except OSError as error:
        got = "no certificate in it" if isinstance(error, ssl.SSLError) else "none"
        message = (
            f"Connecting failed for {name}: expected ca_bundle {config.ca_bundle} to "
            f"be a file of certificates (PEM), got {got}. Correct ca_bundle."
        )
        raise ConfigError(message) from None


def _connection_error(transport: HttpTransport, url: str) -> str | None:
    found: list[str | None] = []
    # A name look-up has no timeout, so that a thread runs it.
    attempt = threading.Thread(
        target=lambda: found.append(transport.connect(url)), daemon=True
    )
    attempt.start()
    attempt.join(CONNECT_SECONDS)
    return found[0] if found else NO_ANSWER
