"""No secret stands in the destinations file: which of its values would be one."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from assets.providers.settings import LOOPBACK_HOSTS, DestinationSettings
from pipelines.configuration.environment_values import EnvironmentValues
from pipelines.configuration.settings import Config, ConfigError, destination_urls


def reject_literal_secrets(
    config: Config, values: EnvironmentValues, path: Path
) -> None:
    """Raise if a secret stands in the file instead of the name of its variable.

    Raises:
        ConfigError: Names the key, not the secret.
    """
    for where in _written_secrets(config, values):
        key = where.rpartition(".")[2]
        message = (
            f"Reading configuration failed for {path} {where}: expected the name "
            f"of an environment variable, got a written secret. Write {key} = "
            '{ env = "NAME" } and change the secret: it was in a file.'
        )
        raise ConfigError(message)


def _written_secrets(config: Config, values: EnvironmentValues) -> Iterator[str]:
    in_file = values.written | values.defaults
    for key in ("warehouse_url", "ledger_url", "proxy"):
        if _PASSWORD.search(str(in_file.get(key, ""))):
            yield key
    for name in config.alerts.channels:
        if (where := f"alerts.channels.{name}.url") in in_file:
            yield where
    for name, settings in config.destinations.items():
        # What only this machine is told is no secret: the sandbox takes anything.
        known = values.written if _stays_here(settings) else in_file
        for key in _secret_keys(settings):
            where = f"destinations.{name}.{key}"
            if where in known:
                yield where


def _secret_keys(settings: DestinationSettings) -> Iterator[str]:
    for key in type(settings).model_fields:
        value = getattr(settings, key)
        if isinstance(value, SecretStr):
            yield key
        elif isinstance(value, dict):
            secret = (name for name, one in value.items() if isinstance(one, SecretStr))
            yield from (f"{key}.{name}" for name in secret)


def _stays_here(settings: DestinationSettings) -> bool:
    parts = [urlsplit(url) for url in destination_urls(settings)]
    return bool(parts) and all(
        part.scheme == "http" and part.hostname in LOOPBACK_HOSTS for part in parts
    )


_PASSWORD = re.compile(
    r"//[^/:@]*:[^@]+@|[?&]\w*(?:password|token|secret)=", re.IGNORECASE
)
