"""A value that no request can carry is refused when configuration is read."""

from pathlib import Path

import pytest

from pipelines.configuration.config import Config, ConfigError, load_config
from pipelines.configuration.unsendable_values import unsendable_character
from support.deployment import DESTINATIONS, HEAD, SECRETS

CANARY = "canary-secret"

UNSENDABLE = {
    "two line ends": (f"{CANARY}\n\n", "a line end"),
    "a line end inside": (f"ca\n{CANARY}", "a line end"),
    "a line end before": (f"\n{CANARY}", "a line end"),
    "a carriage return inside": (f"{CANARY}\r{CANARY}", "a line end"),
    "a line separator": (f"{CANARY}\u2028", "a line end"),
    "a tab": (f"{CANARY}\t", "a tab"),
    "an escape": (f"{CANARY}\x1b", "a control character"),
    "a curly quote": (f"\u201c{CANARY}\u201d", "a typographic quote"),
    "a single curly quote": (f"{CANARY}\u2019", "a typographic quote"),
    "a byte order mark": (f"\ufeff{CANARY}", "an invisible character"),
    "zero width": (f"{CANARY}\u200b{CANARY}", "an invisible character"),
    "a no-break blank inside": (f"{CANARY}\xa0{CANARY}", "not the usual one"),
    "a blank at the end": (f"{CANARY} ", "a blank at its beginning or end"),
    "a no-break blank at the end": (f"{CANARY}\xa0", "a blank at its beginning or"),
    "an umlaut": (f"{CANARY}\xfc", "a character outside ASCII"),
    "a long dash": (f"{CANARY}\u2014{CANARY}", "a character outside ASCII"),
}


def read(folder: Path, **environ: str) -> Config:
    path = folder / "destinations.toml"
    text = (HEAD + DESTINATIONS).format(
        start="2026-01-01", folder=folder, url="http://127.0.0.1:1"
    )
    path.write_text(text, encoding="utf-8")
    return load_config(path, SECRETS | environ)


def error_message(folder: Path, **environ: str) -> str:
    with pytest.raises(ConfigError) as refused:
        read(folder, **environ)
    return str(refused.value)


@pytest.mark.parametrize(("value", "kind"), UNSENDABLE.values(), ids=UNSENDABLE)
@pytest.mark.parametrize("variable", sorted(SECRETS))
def test_the_variable_and_the_kind_of_character_are_named(
    tmp_path: Path, variable: str, value: str, kind: str
) -> None:
    text = error_message(tmp_path, **{variable: value})
    assert variable in text
    assert CANARY not in text
    if "letters, digits" not in text:  # a key in an address has a narrower rule
        assert f"in the environment variable {variable}, got" in text
        assert kind in text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", ""])
@pytest.mark.parametrize("variable", sorted(SECRETS))
def test_one_line_end_of_a_mounted_secret_is_removed(
    tmp_path: Path, variable: str, end: str
) -> None:
    plain = read(tmp_path).model_dump()
    config = read(tmp_path, **{variable: SECRETS[variable] + end})
    assert config.model_dump() == plain


@pytest.mark.parametrize("text", ["abc", "a b", "a:b/c+d=", "~!@#$%^&*()"])
def test_what_a_header_carries_is_a_secret(text: str) -> None:
    assert unsendable_character(text) is None


def test_a_value_that_is_no_secret_is_one_line(tmp_path: Path) -> None:
    address = f"duckdb:///{tmp_path}/a\nb.duckdb"
    text = error_message(tmp_path, WAREHOUSE=address)
    assert "warehouse_url: expected one line of text in the environment" in text
    assert "got a line end" in text


def test_all_of_them_are_named_at_once(tmp_path: Path) -> None:
    names = ["CONVERT_SECRET", "IMPACT_TOKEN", "TRACKDESK_KEY"]
    text = error_message(tmp_path, **dict.fromkeys(names, "\u201cx\u201d"))
    assert all(f"environment variable {name}, got" in text for name in names)


def test_a_header_of_ones_own_is_named(tmp_path: Path) -> None:
    path = tmp_path / "destinations.toml"
    text = (HEAD + DESTINATIONS).format(
        start="2026-01-01", folder=tmp_path, url="http://127.0.0.1:1"
    )
    more = 'endpoint_url = "https://idme.example/events"\n'
    header = 'endpoint_headers = { X-Key = { env = "IDME_KEY" } }\n'
    path.write_text(text + more + header, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_config(path, SECRETS | {"IDME_KEY": "\u201cx\u201d"})
    expected = "endpoint_headers: expected one line of ASCII text for X-Key"
    assert expected in str(refused.value)
    assert "(environment: IDME_KEY)" in str(refused.value)
