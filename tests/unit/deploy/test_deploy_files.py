"""The files in `deploy/` fit together and fit the program; no container runs here."""

import re
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.project import ROOT

DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN_SERVICES = ("migrate", "code", "daemon", "webserver")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
EXAMPLE = dict(
    line.split("=", 1)
    for line in (DEPLOY / "attribution.env.example").read_text().splitlines()
    if "=" in line and not line.startswith("#")
)


def unit(path: Path) -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path)
    return parser


def named(text: str) -> set[str]:
    """Return the variables that a Dagster file takes from the environment."""
    return set(re.findall(r"env: (\w+)", text))


def installed(program: str) -> bool:
    known = {entry.name for entry in entry_points(group="console_scripts")}
    return program in known | {"python", "pg_isready"}


def test_the_compose_file_has_the_expected_services() -> None:
    assert set(SERVICES) == {"postgres", *OWN_SERVICES}


@pytest.mark.parametrize("name", SERVICES)
def test_every_command_is_a_program_of_the_installed_packages(name: str) -> None:
    words = [SERVICES[name].get("command"), SERVICES[name].get("healthcheck")]
    assert all(installed(command[0]) for command in words[:1] if command)
    assert all(installed(check["test"][1]) for check in words[1:] if check)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_starts_what_the_service_of_its_name_starts(path: Path) -> None:
    started = shlex.split(unit(path)["Service"]["ExecStart"])
    service = SERVICES[path.stem.removeprefix("attribution-")]["command"]
    assert Path(started[0]).name == service[0]
    same = {"0.0.0.0": "127.0.0.1", "/etc/dagster/": "/etc/attribution/"}
    expected = " ".join(service[1:])
    for own, theirs in same.items():
        expected = expected.replace(own, theirs)
    assert " ".join(started[1:]) == expected


@pytest.mark.sampled(1)
@pytest.mark.parametrize("words", [("code-server", "start"), ("api",)])
def test_dagster_knows_the_commands(words: tuple[str, ...]) -> None:
    completed = subprocess.run(
        [BIN / "dagster", *words, "--help"], capture_output=True, text=True, check=True
    )
    for option in ("--module-name", "--location-name") if len(words) > 1 else ():
        assert option in completed.stdout


def test_every_variable_in_the_dagster_files_is_set() -> None:
    for file in ("dagster.yaml", "workspace.yaml"):
        needed = named((DEPLOY / file).read_text())
        for name in OWN_SERVICES:
            assert needed <= set(EXAMPLE) | set(SERVICES[name]["environment"]), name
        assert needed <= set(EXAMPLE)


def test_the_workspace_names_the_service_and_its_port() -> None:
    (server,) = yaml.safe_load((DEPLOY / "workspace.yaml").read_text())["load_from"]
    command = SERVICES["code"]["command"]
    assert command[command.index("--port") + 1] == str(server["grpc_server"]["port"])
    location = command[command.index("--location-name") + 1]
    assert location == server["grpc_server"]["location_name"]
    assert all(
        SERVICES[name]["environment"]["DAGSTER_CODE_HOST"] == "code"
        for name in OWN_SERVICES
    )


def test_a_service_waits_only_for_services_with_a_health_check() -> None:
    for service in SERVICES.values():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]
    assert all(
        "healthcheck" in one for name, one in SERVICES.items() if name != "migrate"
    )


def test_a_database_that_is_being_initialised_is_not_healthy() -> None:
    test = SERVICES["postgres"]["healthcheck"]["test"]
    assert test[test.index("--host") + 1] == "127.0.0.1"


def test_migrate_is_retried_until_it_succeeds() -> None:
    assert SERVICES["migrate"]["restart"] == "on-failure"


def test_the_addresses_are_those_of_the_services() -> None:
    for name in ("ATTRIBUTION_LEDGER_URL", "DAGSTER_POSTGRES_URL"):
        assert "@postgres:5432/" in EXAMPLE[name]
    assert EXAMPLE["DAGSTER_POSTGRES_URL"].startswith("postgresql+psycopg2://")
    databases = (DEPLOY / "databases.sql").read_text()
    assert (
        f"create database {EXAMPLE['DAGSTER_POSTGRES_URL'].rpartition('/')[2]};"
        in databases
    )
    ledger = EXAMPLE["ATTRIBUTION_LEDGER_URL"].rpartition("/")[2]
    assert SERVICES["postgres"]["environment"]["POSTGRES_DB"] == ledger


def test_no_secret_is_in_a_file() -> None:
    environment = SERVICES["postgres"]["environment"]
    assert "POSTGRES_PASSWORD" not in environment
    secret = environment["POSTGRES_PASSWORD_FILE"].rpartition("/")[2]
    assert secret in COMPOSE["secrets"]
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    private = ("attribution.env", "destinations.toml", "statements/")
    for file in (*private, "postgres_password"):
        assert f"deploy/{file}" in ignored
    known = {"", "127.0.0.1", "1"}
    for key, value in EXAMPLE.items():
        assert value in known or value[0] == "/" or ":PASSWORD@" in value, key


def test_every_mounted_file_exists_or_belongs_to_the_operator() -> None:
    brought = {
        "destinations.toml",
        "attribution.env",
        "postgres_password",
        "statements",
    }
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("./"):
                file = source.removeprefix("./")
                assert file in brought or (DEPLOY / file).exists(), file
            else:
                assert source in COMPOSE["volumes"]


def test_staging_and_history_lie_on_volumes() -> None:
    mounts = dict(one.split(":")[:2] for one in SERVICES["code"]["volumes"])
    staging = SERVICES["code"]["environment"]["ATTRIBUTION_STAGING"]
    assert staging.startswith(mounts["attribution"])
    home = re.search(r"DAGSTER_HOME=(\S+)", DOCKERFILE)
    assert home is not None
    named = SERVICES["code"]["environment"]["DAGSTER_HOME"]
    assert mounts["dagster"] == home.group(1) == named


def test_a_stop_leaves_time_for_requests_on_the_wire() -> None:
    assert SERVICES["code"]["stop_grace_period"] == "5m"
    assert SERVICES["code"]["environment"]["TINI_KILL_PROCESS_GROUP"] == "1"
    assert SERVICES["code"]["init"] is True
    code = unit(DEPLOY / "systemd/attribution-code.service")["Service"]
    assert code["TimeoutStopSec"] == "300"
    assert code["KillMode"] == "control-group"


def test_images_are_pinned_and_name_no_registry() -> None:
    images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)
    images += [SERVICES["postgres"]["image"]]
    for image in images:
        assert re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?-[a-z-]+", image), image


def test_containers_and_units_do_not_run_as_root() -> None:
    last = DOCKERFILE.rpartition("FROM ")[2]
    assert re.findall(r"^USER (\S+)", last, re.M) == ["attribution"]
    assert all(unit(path)["Service"]["User"] == "attribution" for path in UNITS)


def test_the_image_is_made_of_files_that_reach_its_context() -> None:
    context = (ROOT / ".dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M)
    for source in " ".join(copied).split():
        assert (ROOT / source).exists(), source
        assert f"!{source}" in context, source


def test_the_ui_is_not_offered_to_the_network() -> None:
    assert SERVICES["webserver"]["ports"] == ["127.0.0.1:3000:3000"]
    assert "ports" not in SERVICES["postgres"]


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """Their program is put where it is on this machine."""
    for path in UNITS:
        text = path.read_text().replace("/opt/attribution/.venv/bin", str(BIN))
        (tmp_path / path.name).write_text(text)
    verify = shutil.which("systemd-analyze")
    if verify is None:
        assert all(unit(path).has_option("Service", "ExecStart") for path in UNITS)
        return
    completed = subprocess.run(
        [verify, "verify", "--man=no", *sorted(tmp_path.glob("*.service"))],
        capture_output=True,
        text=True,
        check=False,
    )
    own_lines = [
        line for line in completed.stderr.splitlines() if "attribution-" in line
    ]
    assert own_lines == []


def test_statements_lie_beside_the_destinations_file() -> None:
    mounts = dict(one.split(":")[:2] for one in SERVICES["code"]["volumes"])
    config = Path(SERVICES["code"]["environment"]["ATTRIBUTION_CONFIG"])
    assert Path(mounts["./statements"]) == config.parent / "statements"
    page = (ROOT / "docs/deployment.md").read_text()
    assert 'extract_dir = "statements"' in page
    assert f"{config.parent}/statements statements/*.sql" in page


def test_units_and_shell_have_their_variables_from_one_file() -> None:
    for path in UNITS:
        service = unit(path)["Service"]
        assert service["EnvironmentFile"] == "/etc/attribution/attribution.env"
        assert "Environment" not in service
        assert EXAMPLE["DAGSTER_HOME"].startswith(service["WorkingDirectory"])
    assert f"file={service['EnvironmentFile']}\n" in WRAPPER.read_text()
    assert (
        f"exec {Path(service['ExecStart'].split()[0]).parent}/" in WRAPPER.read_text()
    )


WRAPPER = DEPLOY / "systemd/attribution"


@dataclass
class Machine:
    """A machine with the wrapper, on which `attribution` prints what it was given."""

    folder: Path

    def install(self, variables: str) -> None:
        (self.folder / "attribution.env").write_text(variables, newline="")
        for name, script in {
            "id": "echo $USER_ID",
            "runuser": 'echo runuser "$@"',
            "attribution": 'echo "$@"; env',
        }.items():
            self.program(name, script)
        text = WRAPPER.read_text().replace("/etc/attribution", str(self.folder))
        self.wrapper.write_text(text.replace("/opt/attribution/.venv/bin", self.bin))
        self.wrapper.chmod(0o755)

    @property
    def wrapper(self) -> Path:
        return self.folder / "wrapper"

    @property
    def bin(self) -> str:
        return str(self.folder)

    def program(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def type(self, *words: str, user: int = 10001) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.wrapper, *words],
            env={"PATH": f"{self.bin}:/usr/bin:/bin", "USER_ID": str(user)},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.install("# said\n\nA=p$HOME;`id` & #x\nDAGSTER_HOME=/var/lib/x")
    return made


def test_a_command_in_a_shell_has_the_variables_of_the_services(
    machine: Machine,
) -> None:
    lines = machine.type("status", "--from", "a b").stdout.splitlines()
    assert lines[0] == "status --from a b"
    assert {"A=p$HOME;`id` & #x", "DAGSTER_HOME=/var/lib/x"} <= set(lines)


def test_root_becomes_the_user_of_the_services(machine: Machine) -> None:
    typed = machine.type("check", user=0).stdout
    assert typed == f"runuser -u attribution -- {machine.wrapper} check\n"


def test_without_its_variables_no_command_runs(machine: Machine) -> None:
    (machine.folder / "attribution.env").unlink()
    refused = machine.type("status")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"Reading {machine.folder}/attribution.env failed: " in refused.stderr
    assert "Type: sudo attribution" in refused.stderr


def test_comments_and_blank_lines_are_those_of_systemd(machine: Machine) -> None:
    machine.install("A=1\n \t \n  # said\n; said\n\t;said\nB=a\"b'c #d ;e\nC=")
    typed = machine.type("status")
    assert (typed.returncode, typed.stderr) == (0, "")
    assert {"A=1", "B=a\"b'c #d ;e", "C="} <= set(typed.stdout.splitlines())


@pytest.mark.parametrize(
    ("line", "got"),
    [
        ("X=can\\ary", "a backslash"),
        ("# canary \\", "a backslash"),
        ('X="canary"', "a quote before the value"),
        ("X='canary'", "a quote before the value"),
        ("X=canary\r", "the line end of Windows"),
        ("X=canary ", "a blank before or after the value"),
        ("X=\tcanary", "a blank before or after the value"),
        ("X =canary", "another name"),
        (" X=canary", "another name"),
        ("export X=canary", "another name"),
        ("1X=canary", "another name"),
        ("canary", "no ="),
    ],
)
def test_a_line_that_systemd_reads_differently_is_refused_and_not_shown(
    machine: Machine, line: str, got: str
) -> None:
    machine.install(f"# said\n\nA=1\n{line}\nB=2\n")
    refused = machine.type("status")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "failed for line 4: expected NAME=value" in refused.stderr
    assert f"got {got}. Correct that line." in refused.stderr
    assert "canary" not in refused.stderr
