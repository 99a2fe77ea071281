"""Rejects values that no header, form or address can carry.

A key that was copied from a wiki page can hold a typographic quote, one from a file a
line end. A request with such a key never leaves. The values are never shown.
"""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

from pipelines.configuration.environment_values import EnvironmentValues
from pipelines.configuration.secrets import secrets_of
from pipelines.configuration.settings import Config, ConfigError

_LINE_ENDS = "\n\r\v\f\x85\u2028\u2029"


def reject_unsendable_values(
    config: Config, values: EnvironmentValues, path: Path
) -> None:
    """Raise if a value cannot be sent.

    Secrets of destinations must be visible ASCII characters, with blanks at most
    between them. Other values from the environment must not hold control characters.

    Raises:
        ConfigError: The message names each key, its variable and the kind of character.
    """
    problems = [
        f"  {where}: expected {expected}{_variable(where, values)}, got {got}. Copy "
        "the value again, without what surrounds it."
        for where, expected, got in _problems(config, values)
    ]
    if problems:
        lines = "\n".join(problems)
        message = f"Reading configuration failed for {path}:\n{lines}"
        raise ConfigError(message)


def _problems(
    config: Config, values: EnvironmentValues
) -> Iterator[tuple[str, str, str]]:
    secrets = dict(_secrets(config))
    for where, text in secrets.items():
        got = unsendable_character(text)
        if got is not None and where not in values.unset:
            yield where, "visible ASCII characters", got
    for where, text in values.found.items():
        got = _control_character(text)
        if got is not None and where not in secrets:
            yield where, "one line of text", got


def _secrets(config: Config) -> Iterator[tuple[str, str]]:
    for name, settings in config.destinations.items():
        for key, secret in secrets_of(settings):
            yield f"destinations.{name}.{key}", secret.get_secret_value()


def _variable(where: str, values: EnvironmentValues) -> str:
    variable = values.variables.get(where)
    return "" if variable is None else f" in the environment variable {variable}"


def unsendable_character(text: str) -> str | None:
    """Return what kind of character a header cannot carry in a text, or None.

    Args:
        text: A secret. Nothing of it is returned.
    """
    control = _control_character(text)
    if control is not None:
        return control
    if any(unicodedata.category(one) == "Cf" for one in text):
        return "an invisible character"
    if text != text.strip():
        return "a blank at its beginning or end"
    if any(unicodedata.category(one) in {"Pi", "Pf"} for one in text):
        return "a typographic quote"
    if any(one.isspace() and one != " " for one in text):
        return "a blank that is not the usual one"
    return None if text.isascii() else "a character outside ASCII"


def _control_character(text: str) -> str | None:
    if any(one in _LINE_ENDS for one in text):
        return "a line end"
    if "\t" in text:
        return "a tab"
    is_control = any(unicodedata.category(one) == "Cc" for one in text)
    return "a control character" if is_control else None
