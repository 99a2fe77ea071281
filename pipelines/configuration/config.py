"""Reads the destinations file and the environment into typed settings.

No other module reads the environment. An invalid key fails here, with its path and what
was expected, and not at the first order. A value can refer to a variable,
`{ env = "NAME" }`, with an optional `default`; a secret must do so, without a default.
Definitions load without the variables. The use of a value whose variable is not set
fails with the name of the variable.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dotenv import load_dotenv
from pydantic import ValidationError

from pipelines.configuration.environment_values import EnvironmentValues
from pipelines.configuration.errors import describe_error
from pipelines.configuration.sandbox_port import follow_sandbox
from pipelines.configuration.secrets import reject_literal_secrets
from pipelines.configuration.settings import Config, ConfigError
from pipelines.configuration.unsendable_values import reject_unsendable_values

__all__ = [
    "CONFIG_VARIABLE",
    "DEMO_CONFIG",
    "Config",
    "ConfigError",
    "dagster_home",
    "demo_environ",
    "load_config",
]

CONFIG_VARIABLE = "ATTRIBUTION_CONFIG"
DEMO_CONFIG = Path(__file__).parents[1] / "destinations.toml"


def load_config(
    path: Path | None = None, environ: Mapping[str, str] | None = None
) -> Config:
    """Read the destinations file.

    Args:
        path: The file; None for `$ATTRIBUTION_CONFIG`, or else that of the demo.
        environ: The environment; None for that of this process, with `.env` of the
            current folder.

    Raises:
        ConfigError: The file is missing, is not TOML, or has invalid keys; the
            message lists all of them.
    """
    if environ is None:
        load_dotenv(".env")
        environ = os.environ
    path = path or Path(environ.get(CONFIG_VARIABLE) or DEMO_CONFIG)
    values = EnvironmentValues(environ)
    tree = _with_absolute_paths(path, values.resolve(_parse(path)))
    written: dict[str, str] = {}
    if path.resolve() == DEMO_CONFIG.resolve():
        tree, written = follow_sandbox(tree)
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        problems = "\n".join(
            describe_error(one, values.unset, values.variables)
            for one in error.errors()
        )
        message = f"Reading configuration failed for {path}:\n{problems}"
        raise ConfigError(message) from None
    reject_literal_secrets(config, values, path)
    reject_unsendable_values(config, values, path)
    config.record_origin(path, values, written)
    return config


def demo_environ(home: Path) -> dict[str, str]:
    """Return the environment of this process without the variables of a deployment.

    The demo must not read a real warehouse, nor write to real delivery tables or to the
    history of real runs.

    Args:
        home: Folder of the Dagster instance of the demo.
    """
    values = EnvironmentValues({})
    values.resolve(_parse(DEMO_CONFIG))
    # Empty and not removed, because `.env` sets variables that are missing.
    return {
        **os.environ,
        **dict.fromkeys([CONFIG_VARIABLE, *values.variables.values()], ""),
        "DAGSTER_HOME": str(home.absolute()),
    }


def dagster_home() -> Path | None:
    """Return DAGSTER_HOME, the folder of Dagster's own configuration, if it is set."""
    folder = os.environ.get("DAGSTER_HOME")
    return Path(folder) if folder else None


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        message = (
            f"Reading configuration failed for {path}: expected a TOML file, none "
            f"could be read. Set {CONFIG_VARIABLE} to your destinations file."
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"Reading configuration failed for {path}: expected TOML, got {error}"
    raise ConfigError(message)


def _with_absolute_paths(path: Path, tree: dict[str, Any]) -> dict[str, Any]:
    """Resolve paths that are relative to the folder of the destinations file."""
    folder = path.absolute().parent
    named = {
        key: tree[key] for key in _RELATIVE_PATHS if isinstance(tree.get(key), str)
    }
    return tree | {key: str(folder / name) for key, name in named.items()}


_RELATIVE_PATHS = ("extract_dir", "ca_bundle")
