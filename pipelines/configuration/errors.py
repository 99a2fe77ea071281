"""Describes an invalid setting in one line: its path and the valid choices."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from assets.providers.registry import REGISTRY
from pipelines.configuration.settings import Config


def describe_error(
    error: Any, unset: Mapping[str, str], variables: Mapping[str, str]
) -> str:
    """Return the path of an invalid setting and what was expected there.

    Args:
        error: One error of a pydantic `ValidationError`.
        unset: Key -> the variable that is not set.
        variables: Key -> the variable that the file names. Those of an invalid value
            are named.
    """
    path = [str(part) for part in error["loc"]]
    if len(path) > 2 and path[0] == "destinations":  # noqa: PLR2004
        provider = path.pop(2)
        known = set(REGISTRY[provider].settings.model_fields)
    else:
        known = _valid_keys(path[:-1])
    text = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        text = f"no such key; expected one of {', '.join(sorted(known))}"
    if error["type"].startswith("union_tag"):
        text = f"expected provider to be one of {', '.join(sorted(REGISTRY))}"
    where = ".".join(path)
    if where in unset:
        text = f"expected a value in the environment variable {unset[where]}, got none"
    elif named := _variables_of(where, variables):
        text = f"{text} (environment: {', '.join(named)})"
    return f"  {where or 'file'}: {text}."


def _variables_of(where: str, variables: Mapping[str, str]) -> list[str]:
    """Return the variables of a key and of the keys below it."""
    return [
        name
        for key, name in variables.items()
        if key == where or key.startswith(f"{where}.")
    ]


def _valid_keys(path: Sequence[str]) -> set[str]:
    """Return the valid keys of a table that is not a destination."""
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
