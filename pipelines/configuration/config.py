"""The destinations file, read into typed settings. The only reader of the environment.

A wrong key fails here, with its path and what was expected, never at the first order.
Values may be named instead of written: `{ env = "NAME" }`, with an optional `default`;
a secret must be named, without a default. Definitions load without the variables;
using a value whose variable is not set fails with the variable's name.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dotenv import load_dotenv
from pydantic import ValidationError

from pipelines.configuration.errors import problem
from pipelines.configuration.named_values import NamedValues
from pipelines.configuration.sandbox_port import follow_sandbox
from pipelines.configuration.secrets import refuse_written_secrets
from pipelines.configuration.settings import Config, ConfigError

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
    values = NamedValues(environ)
    tree = _beside(path, values.resolve(_parse(path)))
    written: dict[str, str] = {}
    if path.resolve() == DEMO_CONFIG.resolve():
        tree, written = follow_sandbox(tree)
    try:
        config = Config.model_validate(tree)
    except ValidationError as wrong:
        problems = "\n".join(problem(one, values.unset) for one in wrong.errors())
        message = f"Reading configuration failed for {path}:\n{problems}"
        raise ConfigError(message) from None
    refuse_written_secrets(config, values, path)
    config.remember(path, values, written)
    return config


def demo_environ(home: Path) -> dict[str, str]:
    """Return this process's environment without what leads away from the demo's data.

    The demo must not read a real warehouse nor write into real delivery tables or into
    the history of real runs.

    Args:
        home: Folder of the demo's own Dagster instance.
    """
    values = NamedValues({})
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
