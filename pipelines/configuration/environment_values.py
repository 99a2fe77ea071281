"""Values that the destinations file takes from environment variables.

`{ env = "NAME" }`, with an optional `default`, can replace any string.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class EnvironmentValues:
    """Replaces references to variables, and records where each value comes from.

    Attributes:
        environ: The environment.
        unset: Key -> the variable that is not set.
        literals: Key -> the value in the file.
        defaults: Key -> the default in the file, used or not.
        variables: Key -> the variable that the file names.
        found: Key -> the value of its variable.
    """

    environ: Mapping[str, str]
    unset: dict[str, str] = field(default_factory=dict)
    literals: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict, repr=False)

    def resolve(self, value: Any, path: str = "") -> Any:
        """Return a value of the file with all references replaced.

        Args:
            value: The value, or a table of values.
            path: Its key in the file.
        """
        if _is_reference(value):
            return self._look_up(value, path)
        if isinstance(value, dict):
            below = f"{path}." if path else ""
            return {key: self.resolve(one, below + key) for key, one in value.items()}
        self.literals[path] = value
        return value

    def _look_up(self, value: Mapping[str, str], path: str) -> str:
        variable = value["env"]
        self.variables[path] = variable
        if "default" in value:
            self.defaults[path] = value["default"]
        found = _without_line_end(self.environ.get(variable, ""))
        if found:
            self.found[path] = found
            return found
        if "default" in value:
            return value["default"]
        self.unset[path] = variable
        return variable


def _without_line_end(text: str) -> str:
    """Remove one trailing line end: an editor or `echo` adds it to a mounted secret."""
    return text.removesuffix("\n").removesuffix("\r")


def _is_reference(value: Any) -> bool:
    keys = set(value) if isinstance(value, dict) else set()
    return "env" in keys <= {"env", "default"} and isinstance(value["env"], str)
