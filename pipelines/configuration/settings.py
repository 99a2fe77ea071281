"""The settings of a deployment and the rules that they must obey together.

Reading them from a file belongs in `config.py`.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    PrivateAttr,
    SecretStr,
    field_validator,
    model_validator,
)

from assets.providers.registry import AnySettings, make_provider
from assets.providers.settings import DestinationSettings
from assets.source.guards import Guards
from assets.thresholds import CheckSettings
from pipelines.configuration.alerts import AlertSettings
from pipelines.configuration.environment_values import EnvironmentValues


class ConfigError(Exception):
    """The configuration is invalid; the message says where, and what to do."""


class Config(BaseModel):
    """The configuration of a deployment.

    Attributes:
        timezone: Time zone of the daily partitions.
        start_date: First partition.
        lookback_days: Number of days that the nightly run exports, for late orders.
        nightly_hour: Local hour of the nightly run.
        backfill_days_per_run: Number of days in one run of a backfill from the UI.
        warehouse_url: SQLAlchemy URL of the warehouse.
        ledger_url: SQLAlchemy URL of the delivery tables: SQLite or PostgreSQL.
        staging: Folder of the staged Parquet files.
        extract_dir: Folder with the five statements of the deployment; None for the
            shipped ones. Relative to the destinations file, as is `ca_bundle`.
        source_timezone: Time zone of naive times in the warehouse; None rejects them.
        chunk_rows: Number of rows held in memory at once.
        publish: Whether the delivery tables are copied to the warehouse.
        allow_orders_without_items: Whether orders without line items are sent.
        ca_bundle: File of certificates to trust instead of the default ones.
        proxy: Address of a proxy to the providers; the environment is not consulted.
        allow_private_hosts: Whether the host name of a provider may resolve to a
            private network.
        guards: Limits for a day; a day outside them is not sent.
        checks: Thresholds of the asset checks.
        alerts: Where failures are announced.
        log_format: Format of the logs: text, or one JSON object per line.
        keep_bodies_days: Age in days after which only hashes of requests and replies
            are kept.
        destinations: The destinations by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    timezone: str
    start_date: date
    lookback_days: int = Field(default=7, ge=1, le=90)
    nightly_hour: int = Field(default=3, ge=0, le=23)
    backfill_days_per_run: int = Field(default=1, ge=1, le=366)
    warehouse_url: SecretStr
    ledger_url: SecretStr
    staging: Path
    extract_dir: Path | None = None
    source_timezone: str | None = None
    chunk_rows: int = Field(default=50_000, ge=100, le=1_000_000)
    publish: bool = True
    allow_orders_without_items: bool = False
    ca_bundle: FilePath | None = None
    proxy: SecretStr | None = None
    allow_private_hosts: bool = False
    guards: Guards = Guards()
    checks: CheckSettings = CheckSettings()
    alerts: AlertSettings = AlertSettings()
    log_format: Literal["text", "json"] = "text"
    keep_bodies_days: int = Field(default=90, ge=1)
    destinations: dict[str, AnySettings] = Field(min_length=1)

    _unset: dict[str, str] = PrivateAttr(default_factory=dict)
    _variables: dict[str, str] = PrivateAttr(default_factory=dict)
    _path: Path = PrivateAttr(default=Path())
    _written_urls: dict[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("timezone", "source_timezone")
    @classmethod
    def _must_be_a_zone(cls, name: str | None) -> str | None:
        if name is not None and name not in available_timezones():
            message = "expected an IANA time zone such as America/New_York"
            raise ValueError(message)
        return name

    @field_validator("destinations")
    @classmethod
    def _must_be_names(
        cls, destinations: dict[str, DestinationSettings]
    ) -> dict[str, DestinationSettings]:
        for name in destinations:
            if not name.isidentifier() or len(name) > 64:  # noqa: PLR2004
                message = f"expected letters, digits and _ in a name, got {name!r}"
                raise ValueError(message)
        return destinations

    @field_validator("destinations")
    @classmethod
    def _must_be_accounts_of_their_own(
        cls, destinations: dict[str, DestinationSettings]
    ) -> dict[str, DestinationSettings]:
        first: dict[tuple[str, ...], str] = {}
        for name, one in destinations.items():
            if not one.enabled:
                continue
            reported = (one.provider, make_provider(one).event, *one.account)
            other = first.setdefault(reported, name)
            if other != name:
                message = (
                    "expected an account or event of its own for each destination, got "
                    f"the same for {other} and {name}: each order would be reported "
                    "twice; remove one of them or set its enabled = false"
                )
                raise ValueError(message)
        return destinations

    @model_validator(mode="after")
    def _must_be_checked(self) -> Self:
        unknown = set(self.checks.destinations) - set(self.destinations)
        if unknown:
            message = (
                f"expected checks.destinations to name configured destinations, got "
                f"{', '.join(sorted(unknown))}"
            )
            raise ValueError(message)
        return self

    def record_origin(
        self, path: Path, values: EnvironmentValues, written_urls: Mapping[str, str]
    ) -> None:
        """Store the file that this was read from, and what is named there.

        Args:
            path: The file.
            values: The variables that it names.
            written_urls: Destination -> its `base_url` in the file, where a request
                may go to another one.
        """
        self._path = path.absolute()
        self._unset.update(values.unset)
        self._variables.update(values.variables)
        self._written_urls.update(written_urls)

    @property
    def path(self) -> Path:
        """The file that this was read from."""
        return self._path

    @property
    def zone(self) -> ZoneInfo:
        """Time zone of the daily partitions."""
        return ZoneInfo(self.timezone)

    def require(self, path: str) -> None:
        """Raise unless every variable named at or below `path` is set.

        Raises:
            ConfigError: A variable is not set; the message names its key.
        """
        for key, variable in self._unset.items():
            if key == path or key.startswith(f"{path}."):
                message = (
                    f"Reading configuration failed for {key}: expected a value in the "
                    f"environment variable {variable}, got none. Set {variable}."
                )
                raise ConfigError(message)

    def account(self, name: str) -> tuple[str, ...]:
        """Return what tells a destination's account from others at its provider.

        The port of the demo's sandbox is no part of it: the sandbox remembers the same
        orders at another one.
        """
        settings = self.destinations[name]
        if name in self._written_urls:
            written = {"base_url": self._written_urls[name]}
            settings = settings.model_copy(update=written)
        return settings.account

    def credentials(self, name: str) -> list[str]:
        """Return the environment variables that hold the secrets of a destination."""
        settings = self.destinations[name]
        return [
            variable
            for key in type(settings).model_fields
            if isinstance(getattr(settings, key), SecretStr)
            and (variable := self._variables.get(f"destinations.{name}.{key}"))
        ]


def destination_urls(settings: DestinationSettings) -> list[str]:
    """Return the URLs that the requests of a destination may go to."""
    urls = (getattr(settings, key, None) for key in ("base_url", "endpoint_url"))
    return [url for url in urls if url]
