"""Rejects secrets that are written in the destinations file."""

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
    """Raise if the file contains a secret instead of the name of its variable.

    Raises:
        ConfigError: A secret is in the file; the message names its key.
    """
    for where in _literal_secrets(config, values):
        key = where.rpartition(".")[2]
        message = (
            f"Reading configuration failed for {path} {where}: expected the name "
            f"of an environment variable, got a written secret. Write {key} = "
            '{ env = "NAME" } and change the secret: it was in a file.'
        )
        raise ConfigError(message)


def _literal_secrets(config: Config, values: EnvironmentValues) -> Iterator[str]:
    in_file = values.literals | values.defaults
    for key in ("warehouse_url", "ledger_url", "proxy"):
        if _PASSWORD.search(str(in_file.get(key, ""))):
            yield key
    for name in config.alerts.channels:
        if (where := f"alerts.channels.{name}.url") in in_file:
            yield where
    for name, settings in config.destinations.items():
        # The sandbox on this machine takes any value, so that a default is no secret.
        checked = values.literals if _is_local(settings) else in_file
        for key, _secret in secrets_of(settings):
            where = f"destinations.{name}.{key}"
            if where in checked:
                yield where


def secrets_of(settings: DestinationSettings) -> Iterator[tuple[str, SecretStr]]:
    """Yield the secrets of a destination, each with its key below the destination."""
    for key in type(settings).model_fields:
        value = getattr(settings, key)
        if isinstance(value, SecretStr):
            yield key, value
        elif isinstance(value, dict):
            for name, one in value.items():
                if isinstance(one, SecretStr):
                    yield f"{key}.{name}", one


def _is_local(settings: DestinationSettings) -> bool:
    parts = [urlsplit(url) for url in destination_urls(settings)]
    return bool(parts) and all(
        part.scheme == "http" and part.hostname in LOOPBACK_HOSTS for part in parts
    )


_PASSWORD = re.compile(
    r"//[^/:@]*:[^@]+@|[?&]\w*(?:password|token|secret)=", re.IGNORECASE
)
