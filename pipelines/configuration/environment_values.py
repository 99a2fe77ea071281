"""Values that the destinations file names instead of writing them.

`{ env = "NAME" }`, with an optional `default`, wherever a text may stand.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class EnvironmentValues:
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
        """Return what stands at `path`, named values replaced."""
        if _is_named(value):
            return self._look_up(value, path)
        if isinstance(value, dict):
            below = f"{path}." if path else ""
            return {key: self.resolve(one, below + key) for key, one in value.items()}
        self.written[path] = value
        return value

    def _look_up(self, value: Mapping[str, str], path: str) -> str:
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
