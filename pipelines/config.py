"""The destinations file, read into typed settings. The only reader of the environment.

A wrong key fails here, with its path and what was expected, never at the first order.
Values may be named instead of written: `{ env = "NAME" }`, with an optional `default`;
a secret must be named, without a default. Definitions load without the variables;
using a value whose variable is not set fails with the variable's name.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from dotenv import load_dotenv
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from assets.guards import Guards
from assets.providers.base import LOOPBACK_HOSTS, DestinationSettings
from assets.providers.registry import REGISTRY, AnySettings, make_provider
from assets.thresholds import CheckSettings
from pipelines.alerts import Alerts

CONFIG_VARIABLE = "ATTRIBUTION_CONFIG"
DEMO_CONFIG = Path(__file__).parent / "destinations.toml"


class ConfigError(Exception):
    """The configuration is wrong; the message says where and what to do."""


class Config(BaseModel):
    """Everything that is configured.

    Attributes:
        timezone: Zone of the daily partitions.
        start_date: First partition.
        lookback_days: The nightly run looks again at so many days, for late orders.
        backfill_days_per_run: A backfill from the UI puts so many days into one run.
        warehouse_url: SQLAlchemy URL of the warehouse.
        ledger_url: SQLAlchemy URL of the delivery tables: SQLite or PostgreSQL.
        staging: Folder of the staged Parquet files.
        extract_dir: Folder with a deployment's own five statements. Relative to the
            destinations file, as is `ca_bundle`.
        source_timezone: Zone of naive times in the warehouse; None: naive is refused.
        chunk_rows: Rows that are held in memory at once.
        publish: Whether the delivery tables are copied to the warehouse.
        allow_orders_without_items: Send orders of which no line is known.
        ca_bundle: File of certificates to trust instead of the usual ones.
        proxy: Address of a proxy to the providers; none is taken from elsewhere.
        allow_private_hosts: A provider's name may lead into a private network.
        guards: What a day may look like; one that does not is not sent.
        checks: What the asset checks tolerate.
        alerts: Who is told of what goes wrong.
        log_format: How commands log: text, or one JSON object per line.
        keep_bodies_days: After so long requests and replies are kept as hashes only.
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
    alerts: Alerts = Alerts()
    log_format: Literal["text", "json"] = "text"
    keep_bodies_days: int = Field(default=90, ge=1)
    destinations: dict[str, AnySettings] = Field(min_length=1)

    _unset: dict[str, str] = PrivateAttr(default_factory=dict)
    _named: dict[str, str] = PrivateAttr(default_factory=dict)
    _path: Path = PrivateAttr(default=DEMO_CONFIG)

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

    @property
    def path(self) -> Path:
        """The file that this was read from."""
        return self._path

    @property
    def zone(self) -> ZoneInfo:
        """Zone of the daily partitions."""
        return ZoneInfo(self.timezone)

    def require(self, path: str) -> None:
        """Raise unless every variable named at or below `path` is set.

        Raises:
            ConfigError: Names the key and the variable.
        """
        for key, variable in self._unset.items():
            if key == path or key.startswith(f"{path}."):
                message = (
                    f"Reading configuration failed for {key}: expected a value in the "
                    f"environment variable {variable}, got none. Set {variable}."
                )
                raise ConfigError(message)

    def credentials(self, name: str) -> list[str]:
        """Return the environment variables that hold the secrets of a destination."""
        settings = self.destinations[name]
        return [
            variable
            for key in type(settings).model_fields
            if isinstance(getattr(settings, key), SecretStr)
            and (variable := self._named.get(f"destinations.{name}.{key}"))
        ]


@dataclass
class _Values:
    """Takes named values out of the environment and notes which are not set.

    Attributes:
        unset: Key -> the variable that is not set.
        written: Key -> the value that stands in the file.
        defaults: Key -> the default that stands in the file, used or not.
        named: Key -> the variable that the file names there.
    """

    environ: Mapping[str, str]
    unset: dict[str, str] = field(default_factory=dict)
    written: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)

    def resolve(self, value: Any, path: str = "") -> Any:
        if _is_named(value):
            return self._named(value, path)
        if isinstance(value, dict):
            below = f"{path}." if path else ""
            return {key: self.resolve(one, below + key) for key, one in value.items()}
        self.written[path] = value
        return value

    def _named(self, value: Mapping[str, str], path: str) -> str:
        variable = value["env"]
        self.named[path] = variable
        if "default" in value:
            self.defaults[path] = value["default"]
        found = self.environ.get(variable) or value.get("default")
        if found is None:
            self.unset[path] = variable
            return variable
        return found


def _is_named(value: Any) -> bool:
    keys = set(value) if isinstance(value, dict) else set()
    return "env" in keys <= {"env", "default"} and isinstance(value["env"], str)


def load_config(
    path: Path | None = None, environ: Mapping[str, str] | None = None
) -> Config:
    """Read the destinations file.

    Args:
        path: The file; None: `$ATTRIBUTION_CONFIG`, else the demo's.
        environ: The environment; None: this process's, with `.env` of this folder.

    Raises:
        ConfigError: The file is missing, is not TOML, or says something wrong; the
            message lists every wrong key.
    """
    if environ is None:
        load_dotenv(".env")
        environ = os.environ
    path = path or Path(environ.get(CONFIG_VARIABLE) or DEMO_CONFIG)
    values = _Values(environ)
    tree = _beside(path, values.resolve(_parse(path)))
    try:
        config = Config.model_validate(tree)
    except ValidationError as wrong:
        problems = "\n".join(_problem(one, values.unset) for one in wrong.errors())
        message = f"Reading configuration failed for {path}:\n{problems}"
        raise ConfigError(message) from None
    _refuse_written_secrets(config, values, path)
    config._unset.update(values.unset)  # noqa: SLF001 - its own module
    config._named.update(values.named)  # noqa: SLF001
    config._path = path.absolute()  # noqa: SLF001
    return config


def demo_environ(home: Path) -> dict[str, str]:
    """Return this process's environment without what leads away from the demo's data.

    The demo must not read a real warehouse nor write into real delivery tables or into
    the history of real runs.

    Args:
        home: Folder of the demo's own Dagster instance.
    """
    values = _Values({})
    values.resolve(_parse(DEMO_CONFIG))
    # Empty, not left out: `.env` fills in what is left out.
    return {
        **os.environ,
        **dict.fromkeys([CONFIG_VARIABLE, *values.named.values()], ""),
        "DAGSTER_HOME": str(home.absolute()),
    }


def dagster_home() -> Path | None:
    """Return the folder of Dagster's own configuration, if one is set."""
    folder = os.environ.get("DAGSTER_HOME")
    return Path(folder) if folder else None


def addresses(settings: DestinationSettings) -> list[str]:
    """Return the addresses to which a destination's requests may go."""
    named = (getattr(settings, key, None) for key in ("base_url", "endpoint_url"))
    return [url for url in named if url]


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        message = (
            f"Reading configuration failed for {path}: expected a TOML file, none "
            f"could be read. Set {CONFIG_VARIABLE} to your destinations file."
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        message = f"Reading configuration failed for {path}: expected TOML, got {wrong}"
    raise ConfigError(message)


def _beside(path: Path, tree: dict[str, Any]) -> dict[str, Any]:
    """Take names of what lies beside the destinations file as relative to it."""
    folder = path.absolute().parent
    named = {key: tree[key] for key in _BESIDE if isinstance(tree.get(key), str)}
    return tree | {key: str(folder / name) for key, name in named.items()}


_BESIDE = ("extract_dir", "ca_bundle")


def _problem(error: Any, unset: Mapping[str, str]) -> str:
    path = [str(part) for part in error["loc"]]
    if len(path) > 2 and path[0] == "destinations":  # noqa: PLR2004
        provider = path.pop(2)
        known = set(REGISTRY[provider].settings.model_fields)
    else:
        known = _known_at(path[:-1])
    text = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        text = f"no such key; expected one of {', '.join(sorted(known))}"
    if error["type"].startswith("union_tag"):
        text = f"expected provider to be one of {', '.join(sorted(REGISTRY))}"
    where = ".".join(path)
    if where in unset:
        text = f"expected a value in the environment variable {unset[where]}, got none"
    return f"  {where or 'file'}: {text}."


def _known_at(path: Sequence[str]) -> set[str]:
    """Return the keys that a table may have, the tables of destinations excepted."""
    model: type[BaseModel] = Config
    for part in path:
        if part in model.model_fields:
            annotation = model.model_fields[part].annotation
            found = [annotation, *get_args(annotation)]
            models = (
                one
                for one in found
                if isinstance(one, type) and issubclass(one, BaseModel)
            )
            model = next(models, model)
    return set(model.model_fields)


def _refuse_written_secrets(config: Config, values: _Values, path: Path) -> None:
    for where in _written_secrets(config, values):
        key = where.rpartition(".")[2]
        message = (
            f"Reading configuration failed for {path} {where}: expected the name "
            f"of an environment variable, got a written secret. Write {key} = "
            '{ env = "NAME" } and change the secret: it was in a file.'
        )
        raise ConfigError(message)


def _written_secrets(config: Config, values: _Values) -> Iterator[str]:
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
    parts = [urlsplit(url) for url in addresses(settings)]
    return bool(parts) and all(
        part.scheme == "http" and part.hostname in LOOPBACK_HOSTS for part in parts
    )


_PASSWORD = re.compile(
    r"//[^/:@]*:[^@]+@|[?&]\w*(?:password|token|secret)=", re.IGNORECASE
)
