"""A wrong configuration is refused when it is read, with the place and the way out."""

import os
import re
from pathlib import Path

import pytest

from pipelines.build import build, open_destination, open_destinations, open_source
from pipelines.configuration.config import Config, ConfigError, load_config
from support.deployment import DESTINATIONS, HEAD, SECRETS

PASSWORD = "canary-db-password"

PLAIN = """
timezone = "America/New_York"
start_date = 2026-01-01
warehouse_url = { env = "WAREHOUSE" }
ledger_url = { env = "LEDGER" }
staging = { env = "STAGING" }

[destinations.shop]
provider = "impact"
account_sid = { env = "IMPACT_SID" }
auth_token = { env = "IMPACT_TOKEN" }
campaign_id = 1000
event_type_id = 9876
"""


def read(folder: Path, text: str, **environ: str) -> Config:
    path = folder / "destinations.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, environ)


def refusal(folder: Path, text: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as refused:
        read(folder, text, **environ)
    return str(refused.value)


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    config = read(tmp_path, PLAIN)
    settings = config.destinations["shop"]
    assert (config.lookback_days, config.nightly_hour) == (7, 3)
    assert (config.chunk_rows, config.publish) == (50_000, True)
    assert (config.extract_dir, config.source_timezone) == (None, None)
    assert settings.base_url == "https://api.impact.com"
    assert settings.model_dump()["item_money"] == "subtotal"
    assert (settings.enabled, settings.require_consent) == (True, False)


WRONG = [
    (
        "timezone =",
        "timezon =",
        "timezon: no such key; expected one of alerts, allow_",
    ),
    ('"America/New_York"', '"New York"', "timezone: expected an IANA time zone"),
    ('timezone = "America/New_York"', "", "timezone: Field required"),
    ("start_date = 2026-01-01", 'start_date = "soon"', "start_date: Input"),
    (
        "start_date",
        "lookback_days = 0\nstart_date",
        "lookback_days: Input should",
    ),
    (
        "[destinations.shop]",
        "[checks.rejected_share]\nmaks = 1\n[destinations.shop]",
        "checks.rejected_share.maks: no such key; expected one of at_least, max, sev",
    ),
    (
        "[destinations.shop]",
        "[checks]\nrejectd = {}\n[destinations.shop]",
        "checks.rejectd: no such key; expected one of destinations, no_partition_left",
    ),
    (
        "[destinations.shop]",
        "[checks.destinations.shop.nothing_lost]\nmax = -1\n[destinations.shop]",
        "checks.destinations.shop.nothing_lost.max: Input should be greater",
    ),
    (
        "[destinations.shop]",
        "[checks.destinations.shp.nothing_lost]\nmax = 1\n[destinations.shop]",
        "checks.destinations to name configured destinations, got shp",
    ),
    (
        "[destinations.shop]",
        '[alerts.channels.ops]\nurl = "json://x/key"\n[destinations.shop]',
        "alerts.channels.ops.url: expected the name of an environment variable",
    ),
    (
        "[destinations.shop]",
        '[alerts.channels.ops]\nurl = {env = "U"}\nto = 1\n[destinations.shop]',
        "alerts.channels.ops.to: no such key; expected one of url, warnings",
    ),
    ("start_date", "nightly_hour = 24\nstart_date", "nightly_hour: Input should"),
    (
        '"impact"',
        '"impakt"',
        "shop: expected provider to be one of convert, idme,",
    ),
    (
        'provider = "impact"',
        "",
        "shop: expected provider to be one of convert, idme,",
    ),
    ("destinations.shop", "destinations.my-shop", "destinations: expected letters"),
    (
        "campaign_id",
        "campain_id",
        "destinations.shop.campain_id: no such key",
    ),
    (
        "1000",
        '"first"',
        "destinations.shop.campaign_id: Input",
    ),
    ("1000", "10_000_000_000", "destinations.shop.campaign_id: Input"),
    ("event_type_id = 9876", "", "destinations.shop: set exactly one of event_type_id"),
    (
        "event_type_id",
        'event_type_code = "SALE"\nevent_type_id',
        "destinations.shop: set exactly one of event_type_id and event_type_code",
    ),
    (
        "campaign_id",
        'base_url = "http://api.impact.com"\ncampaign_id',
        "destinations.shop.base_url: expected an https URL, or http on 127.0.0.1",
    ),
    (
        "campaign_id",
        'item_money = "both"\ncampaign_id',
        "destinations.shop.item_money: Input should be 'subtotal' or 'price'",
    ),
    (
        "campaign_id",
        'fields = { Text1 = "shop_code" }\ncampaign_id',
        "destinations.shop.fields: ",
    ),
    ("campaign_id", "in_flight = 0\ncampaign_id", "destinations.shop.in_flight: Input"),
]


@pytest.mark.parametrize(("right", "wrong", "said"), WRONG)
def test_a_wrong_key_is_named_with_its_path(
    tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    text = refusal(tmp_path, PLAIN.replace(right, wrong, 1))
    assert text.startswith(f"Reading configuration failed for {tmp_path}")
    assert said in text


def test_an_unknown_key_is_answered_with_every_known_one(tmp_path: Path) -> None:
    text = refusal(tmp_path, PLAIN.replace("campaign_id", "campain_id"))
    for known in ("campaign_id", "event_type_code", "fields", "enabled", "base_url"):
        assert re.search(rf"\b{known}\b", text), known
    assert "ledger_url" not in text


def test_every_wrong_key_is_told_at_once(tmp_path: Path) -> None:
    text = PLAIN.replace("America/New_York", "Mars").replace("1000", "0")
    told = refusal(tmp_path, text).splitlines()
    assert [line.partition(":")[0].strip() for line in told[1:]] == [
        "timezone",
        "destinations.shop.campaign_id",
    ]


def test_loopback_may_be_http_for_the_sandbox(tmp_path: Path) -> None:
    url = 'base_url = "http://127.0.0.1:8787/impact/"\ncampaign_id'
    config = read(tmp_path, PLAIN.replace("campaign_id", url))
    assert config.destinations["shop"].base_url == "http://127.0.0.1:8787/impact"


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ('auth_token = "t0ken-in-a-file"', "destinations.shop.auth_token"),
        ('auth_token = { env = "IMPACT_TOKEN", default = 3 }', "shop.auth_token"),
    ],
)
def test_a_secret_is_never_written(tmp_path: Path, written: str, key: str) -> None:
    named = 'auth_token = { env = "IMPACT_TOKEN" }'
    text = refusal(tmp_path, PLAIN.replace(named, written))
    assert key in text
    assert "t0ken" not in text


IN_FILE = '{ env = "IMPACT_TOKEN", default = "t0ken-in-a-file" }'


def test_a_secret_inside_a_table_is_never_written_either(tmp_path: Path) -> None:
    wallet = """
    [destinations.wallet]
    provider = "idme"
    app_id = "app-1"
    endpoint_url = "https://events.example.com"
    endpoint_headers = { Authorization = %s }
    """
    message = refusal(tmp_path, PLAIN + wallet % '"Bearer canary"')
    assert "destinations.wallet.endpoint_headers.Authorization: expected" in message
    assert "canary" not in message
    config = read(tmp_path, PLAIN + wallet % '{ env = "IDME" }', IDME="Bearer canary")
    assert "Bearer canary" in open_destination(config, "wallet").provider.secrets


@pytest.mark.parametrize("environ", [{}, {"IMPACT_TOKEN": "another"}])
@pytest.mark.parametrize(
    "url", ["", 'base_url = "https://127.0.0.1"\n', 'base_url = "https://a.example"\n']
)
def test_a_secret_is_not_written_as_a_default_either(
    tmp_path: Path, url: str, environ: dict[str, str]
) -> None:
    text = PLAIN.replace('{ env = "IMPACT_TOKEN" }', IN_FILE)
    told = refusal(
        tmp_path, text.replace("campaign_id", url + "campaign_id"), **environ
    )
    assert "destinations.shop.auth_token: expected the name of an env" in told
    assert "t0ken" not in told


def test_the_sandbox_may_be_told_a_default(tmp_path: Path) -> None:
    text = PLAIN.replace('{ env = "IMPACT_TOKEN" }', IN_FILE)
    url = '{ env = "URL", default = "http://127.0.0.1:8787/impact" }'
    text = text.replace("campaign_id", f"base_url = {url}\ncampaign_id")
    assert open_destination(read(tmp_path, text, IMPACT_SID="IR1"), "shop")
    assert "auth_token" in refusal(tmp_path, text, URL="https://api.impact.com")


@pytest.mark.parametrize("environ", [{}, {"WAREHOUSE": "duckdb:///w.db"}])
@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://me:{PASSWORD}@db.example/shop",
        f"postgresql+psycopg://db.example/shop?user=me&password={PASSWORD}",
        f"duckdb:///md:shop?motherduck_token={PASSWORD}",
    ],
)
def test_a_password_in_the_default_of_an_address_is_refused(
    tmp_path: Path, url: str, environ: dict[str, str]
) -> None:
    named = f'{{ env = "WAREHOUSE", default = "{url}" }}'
    text = refusal(tmp_path, PLAIN.replace('{ env = "WAREHOUSE" }', named), **environ)
    assert "warehouse_url: expected the name of an environment variable" in text
    assert PASSWORD not in text


@pytest.mark.parametrize("key", ["warehouse_url", "ledger_url"])
def test_a_password_in_an_address_is_never_written(tmp_path: Path, key: str) -> None:
    variable = key.removesuffix("_url").upper()
    url = f'"postgresql+psycopg://me:{PASSWORD}@db.example/shop"'
    text = refusal(tmp_path, PLAIN.replace(f'{{ env = "{variable}" }}', url))
    assert f"{key}: expected the name of an environment variable" in text
    assert PASSWORD not in text


def test_an_address_without_a_password_may_be_written(tmp_path: Path) -> None:
    written = PLAIN.replace('{ env = "LEDGER" }', '"sqlite:///ledger.db"')
    url = read(tmp_path, written).ledger_url
    assert url.get_secret_value() == "sqlite:///ledger.db"


@pytest.mark.parametrize(
    "name", ["{ env = 3 }", '{ env = "" }', '{ envv = "IMPACT_TOKEN" }', "[1]"]
)
def test_a_value_that_is_named_badly_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "destinations.toml"
    path.write_text(PLAIN.replace('{ env = "IMPACT_TOKEN" }', name))
    with pytest.raises(ConfigError, match=r"destinations\.shop\.auth_token: "):
        load_config(path, os.environ)


def test_a_value_is_taken_from_its_variable_before_its_default(tmp_path: Path) -> None:
    text = PLAIN.replace('{ env = "STAGING" }', '{ env = "STAGING", default = "var" }')
    assert read(tmp_path, text).staging == Path("var")
    assert read(tmp_path, text, STAGING="").staging == Path("var")
    assert read(tmp_path, text, STAGING="/data").staging == Path("/data")


def test_files_beside_the_configuration_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "trusted.pem").touch()
    monkeypatch.chdir(elsewhere)
    beside = 'extract_dir = {env = "SQL", default = "sql"}\nca_bundle = "trusted.pem"\n'
    config = read(tmp_path, beside + PLAIN)
    assert config.extract_dir == tmp_path / "sql"
    assert config.ca_bundle == tmp_path / "trusted.pem"
    assert read(tmp_path, beside + PLAIN, SQL="/srv/sql").extract_dir == Path(
        "/srv/sql"
    )
    (elsewhere / "mine.toml").write_text('extract_dir = "../sql"' + PLAIN)
    found = load_config(Path("mine.toml"), {}).extract_dir
    assert found is not None
    assert found.resolve() == tmp_path / "sql"


def test_a_folder_of_statements_is_asked_for_by_the_name_of_its_variable(
    tmp_path: Path,
) -> None:
    text = 'extract_dir = { env = "SQL" }' + PLAIN
    given = {"WAREHOUSE": "duckdb://", "LEDGER": "sqlite://", "STAGING": "x"}
    with pytest.raises(ConfigError, match=r"extract_dir.*variable SQL, got none"):
        open_source(read(tmp_path, text, **given))


def test_definitions_load_without_any_variable(tmp_path: Path) -> None:
    build(read(tmp_path, PLAIN))
    everything = HEAD.format(folder=tmp_path, start="2026-01-01")
    build(read(tmp_path, everything + DESTINATIONS.format(url="http://127.0.0.1:1")))


def test_a_missing_variable_is_named_when_it_is_used(tmp_path: Path) -> None:
    config = read(tmp_path, PLAIN, IMPACT_SID="IR1", WAREHOUSE="duckdb://", STAGING="x")
    with pytest.raises(ConfigError, match=r"shop\.auth_token.*Set IMPACT_TOKEN\."):
        open_destination(config, "shop")
    with pytest.raises(ConfigError, match=r"ledger_url.*variable LEDGER, got none"):
        open_source(config)


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("1000", "destinations.shop.campaign_id"),
        ('"America/New_York"', "timezone"),
    ],
)
def test_what_definitions_need_is_asked_for_by_the_name_of_its_variable(
    tmp_path: Path, key: str, named: str
) -> None:
    text = refusal(tmp_path, PLAIN.replace(key, '{ env = "SOME_NUMBER" }'))
    assert f"{named}: expected a value in the environment variable SOME_NUMBER" in text


def test_a_variable_that_holds_nonsense_is_not_quoted(tmp_path: Path) -> None:
    text = refusal(tmp_path, PLAIN, IMPACT_SID="canary with spaces/")
    assert "destinations.shop.account_sid: expected letters" in text
    assert "canary" not in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "expected a TOML file, none could be read"),
        ("a = ", "expected TOML, got"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, content: str | None, said: str
) -> None:
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=said) as refused:
        load_config(path, {})
    assert str(path) in str(refused.value)


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a TOML file"):
        load_config(None, {"ATTRIBUTION_CONFIG": str(tmp_path)})


def test_no_secret_shows_in_what_is_made_of_it(tmp_path: Path) -> None:
    text = HEAD.format(folder=tmp_path, start="2026-01-01")
    text += DESTINATIONS.format(url="http://127.0.0.1:1")
    address = f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:1/shop"
    config = read(tmp_path, text, WAREHOUSE=address, LEDGER=address, **SECRETS)
    source = open_source(config)
    made = [
        config,
        config.destinations,
        *config.destinations.values(),
        source,
        source.database,
        source.warehouse,
        open_destinations(config),
        *(open_destination(config, name) for name in config.destinations),
        config.model_dump_json(),
    ]
    shown = "\n".join(f"{one!r} {one}" for one in made)
    for secret in (PASSWORD, *SECRETS.values()):
        assert secret not in shown


ACCOUNTS = {
    "impact": """
provider = "impact"
account_sid = { env = "SID" }
auth_token = { env = "TOKEN" }
campaign_id = 1000
event_type_id = 9876
""",
    "convert": """
provider = "convert"
account_id = "1001"
project_id = "2002"
goal_id = "3003"
currency = "USD"
""",
    "trackdesk": """
provider = "trackdesk"
tenant_id = "acme"
conversion_type_code = "sale"
""",
    "idme": """
provider = "idme"
app_id = "shop"
""",
}
OTHERS = [
    ("impact", "event_type_id = 9876", "event_type_id = 9877"),
    ("impact", "campaign_id = 1000", "campaign_id = 1001"),
    ("impact", 'env = "SID"', 'env = "OTHER_SID"'),
    ("convert", '"1001"', '"1002"'),
    ("convert", '"2002"', '"2003"'),
    ("convert", '"3003"', '"3004"'),
    ("trackdesk", '"acme"', '"other"'),
    ("trackdesk", '"sale"', '"lead"'),
    ("idme", '"shop"', '"other"'),
]


def two(first: str, second: str) -> str:
    head = PLAIN.partition("[destinations.shop]")[0]
    return f"{head}[destinations.one]{first}[destinations.two]{second}"


@pytest.mark.parametrize("provider", ACCOUNTS)
def test_one_account_is_not_reported_to_by_two_destinations(
    tmp_path: Path, provider: str
) -> None:
    settings = ACCOUNTS[provider]
    named = {"SID": "IRcanary", "TOKEN": "canary-token"}
    for environ in ({}, named):
        text = refusal(tmp_path, two(settings, settings), **environ)
        assert "destinations: expected an account or event of its own" in text
        assert "the same for one and two" in text
        assert "canary" not in text
    disabled = two(settings, settings + "enabled = false\n")
    assert set(read(tmp_path, disabled).destinations) == {"one", "two"}


def test_one_account_under_two_variables_is_noticed_once_they_are_set(
    tmp_path: Path,
) -> None:
    settings = ACCOUNTS["impact"]
    text = two(settings, settings.replace('"SID"', '"OTHER_SID"'))
    assert set(read(tmp_path, text).destinations) == {"one", "two"}
    same = {"SID": "IRsame", "OTHER_SID": "IRsame"}
    assert "the same for one and two" in refusal(tmp_path, text, **same)


@pytest.mark.parametrize(("provider", "before", "after"), OTHERS)
def test_another_account_or_event_of_a_provider_is_another_destination(
    tmp_path: Path, provider: str, before: str, after: str
) -> None:
    settings = ACCOUNTS[provider]
    assert before in settings
    config = read(tmp_path, two(settings, settings.replace(before, after)))
    assert set(config.destinations) == {"one", "two"}
