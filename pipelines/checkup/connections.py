"""Does a provider answer? Its name, a connection, its certificate; no request is made.

Connecting is the transport's; how long is waited, and what is told, belongs here.
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

_TOLD = {
    UNKNOWN_NAME: (
        "a name that nobody knows",
        "Check its address, and the name servers of this machine",
    ),
    REFUSED: (
        "a refused connection",
        "Check its address and the firewall, or wait for the provider",
    ),
    NO_ANSWER: (
        "no answer in {seconds:g} seconds",
        "Check its address, the firewall and `proxy`, or wait for the provider",
    ),
    CERTIFICATE: (
        "a certificate that cannot be verified",
        "Check its address; `ca_bundle` names the authorities to trust",
    ),
    PRIVATE_ADDRESS: (
        "an address in a private network",
        "Check its address; `allow_private_hosts` lets it be there",
    ),
}
_OTHER = "Check its address and `proxy`"
_SANDBOX = "Start `attribution sandbox`, or look without connections (--offline)"


def needs_connection(config: Config, name: str) -> bool:
    """Tell whether a run would connect to a destination, not write a file for it."""
    settings = config.destinations[name]
    channel = open_destination(config, name).provider.channel
    return settings.enabled and channel == "http"


def connect(config: Config, name: str) -> str:
    """Connect to a destination with the settings of a run, and hang up.

    Returns:
        What answered.

    Raises:
        ConfigError: Nothing did, or nothing that may be spoken to.
    """
    _check_ca_bundle(config, name)
    destination = open_destination(config, name)
    made = open_destinations(config).transport(destination, "")
    transport = cast("HttpTransport", made)  # as `is_connected_to` says
    (url,) = destination_urls(config.destinations[name])
    found = _tried(transport, url)
    if found is None:
        return f"{urlsplit(url).netloc} answers; no request was made"
    got, action = _TOLD.get(found, (found, _OTHER))
    if found == REFUSED and urlsplit(url).hostname in LOOPBACK_HOSTS:
        action = _SANDBOX
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
    except OSError as wrong:
        got = "no certificate in it" if isinstance(wrong, ssl.SSLError) else "none"
        message = (
            f"Connecting failed for {name}: expected ca_bundle {config.ca_bundle} to "
            f"be a file of certificates (PEM), got {got}. Correct ca_bundle."
        )
        raise ConfigError(message) from None


def _tried(transport: HttpTransport, url: str) -> str | None:
    found: list[str | None] = []
    # In a thread: nothing else ends the look-up of a name that hangs.
    attempt = threading.Thread(
        target=lambda: found.append(transport.connect(url)), daemon=True
    )
    attempt.start()
    attempt.join(CONNECT_SECONDS)
    return found[0] if found else NO_ANSWER
