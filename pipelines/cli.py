"""The `attribution` command. Each command reads its options, calls, prints, exits.

Exit status: 0 nothing is left that a re-run helps; 1 something is; 2 usage or
configuration; 3 a guard refused a day. Commands import what they need when they are
called, so that `--help` and `status` are quick.
"""

import errno
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from pipelines.config import Config, ConfigError, load_config

if TYPE_CHECKING:
    from pipelines.day_results import DayResult


class Verdict(StrEnum):
    """What a person found out about a delivery."""

    DELIVERED = "delivered"
    NOT_DELIVERED = "not-delivered"


LEFT_OVER = 1
WRONG = 2
REFUSED = 3

app = typer.Typer(
    name="attribution",
    help="Tells marketing providers about completed orders, once each.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
console = Console(soft_wrap=True)


class Errors(Console):
    """Prints what went wrong, as JSON where the configuration says so."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as text, or as one JSON object."""
        if not _logs_json():
            super().print(*objects, **options)
        elif all(isinstance(one, str) for one in objects):  # no progress bar
            from pipelines.json_logs import line

            typer.echo(line("ERROR", " ".join(objects), at=time.time()), err=True)


def _logs_json() -> bool:
    try:
        return load_config().log_format == "json"
    except ConfigError:
        return False


errors = Errors(stderr=True, soft_wrap=True)

_DAY = ["%Y-%m-%d"]
To = Annotated[
    list[str] | None,
    typer.Option("--to", help="Only this destination; may be given several times."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Override = Annotated[
    str, typer.Option(help="Why a day is right that a guard refuses; it is kept.")
]
From = Annotated[
    datetime | None, typer.Option("--from", formats=_DAY, help="First day.")
]
Until = Annotated[datetime | None, typer.Option("--to", formats=_DAY, help="Last day.")]


def main() -> None:
    """Run the command; the entry point of the installed script."""
    app()


def explained(command: Callable[..., None]) -> Callable[..., None]:
    """Print what a person can mend as one message, without a traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        from assets.delivery.database import LedgerError
        from assets.staging import StagingError
        from assets.warehouse import WarehouseError

        try:
            command(*args, **kwargs)
        except (ConfigError, LedgerError, StagingError, WarehouseError) as wrong:
            errors.print(str(wrong), style="red", markup=False)
            raise typer.Exit(WRONG) from None
        except OSError as wrong:
            if wrong.errno != errno.EADDRINUSE:
                raise
            errors.print(_PORT_TAKEN, style="red")
            raise typer.Exit(WRONG) from None
        except SQLAlchemyError as wrong:
            # Its own text may hold the address.
            cause = type(getattr(wrong, "orig", None) or wrong).__name__
            errors.print(_UNREACHABLE.format(cause=cause), style="red", markup=False)
            raise typer.Exit(WRONG) from None

    return wrapped


_UNREACHABLE = (
    "Opening the delivery tables failed: expected a database that answers, got {cause}."
    " Check `ledger_url`, the network and the credentials."
)


_PORT_TAKEN = (
    "Starting the sandbox failed: expected a free port on 127.0.0.1, got one in use. "
    "End the program that listens there; a sandbox or demo may still be running."
)


@app.command()
@explained
def export(
    day: Annotated[datetime, typer.Option("--date", formats=_DAY, help="The day.")],
    to: To = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Send nothing; open no socket.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=0, help="Send at most so many to each; 0: all.")
    ] = 0,
    override: Override = "",
) -> None:
    """Export one day: extract, join, deliver what is missing."""
    from pipelines.launch import Launcher

    config, names = load_config(), to or []
    launcher = Launcher(config)
    if dry_run:
        _dry_run(launcher, day.date(), names, override)
        return
    result = launcher.export(day.date(), to=names, limit=limit, override=override)
    _print_states(config, day.date(), day.date())
    _end([result])


@app.command()
@explained
def backfill(
    first: Annotated[datetime, typer.Option("--from", formats=_DAY, help="First day.")],
    last: Annotated[datetime, typer.Option("--to", formats=_DAY, help="Last day.")],
    destination: Annotated[
        list[str] | None,
        typer.Option(help="Only this destination; may be given several times."),
    ] = None,
    override: Override = "",
    *,
    finished_too: Annotated[
        bool, typer.Option("--all", help="Also days that are finished: late orders.")
    ] = False,
    single_run: Annotated[
        bool, typer.Option("--single-run", help="One Dagster run instead of one a day.")
    ] = False,
) -> None:
    """Export what is not finished of many days; each succeeds or fails on its own."""
    from rich.progress import track

    from pipelines.backfill import days_between, left_to_do, run_each, run_together
    from pipelines.launch import Launcher

    config, names = load_config(), destination or []
    launcher = Launcher(config)
    days = days_between(first.date(), last.date())
    if not days:
        message = (
            f"Backfilling failed: expected --from before --to, got {first.date()} and "
            f"{last.date()}. Swap them."
        )
        raise ConfigError(message)
    for day in (days[0], days[-1]):
        launcher.check(day, names)
    everything = dict.fromkeys(days, launcher.assets_of(names))
    left = everything if finished_too else left_to_do(launcher, days, names)
    if len(left) < len(days):
        errors.print(
            f"{len(days) - len(left)} of {len(days)} days are finished; --all looks at "
            "them again."
        )
    if single_run:
        results = list(run_together(launcher, left, names, override))
    else:
        with_progress = partial(track, description="Days", console=errors)
        results = list(run_each(launcher, left, names, override, with_progress))
    _print_states(config, days[0], days[-1])
    _end(results)


@app.command()
@explained
def status(first: From = None, last: Until = None, as_json: AsJson = False) -> None:
    """Count deliveries and their money by destination and state."""
    from assets.delivery.totals import totals
    from pipelines.shown import by_state, print_states

    with _database(load_config()) as database:
        found = totals(database, first=_key(first), last=_key(last))
    if as_json:
        typer.echo(json.dumps(by_state(found)))
    else:
        print_states(console, found)


@app.command()
@explained
def metrics(
    file: Annotated[
        Path | None, typer.Option(help="Replace this file instead of printing.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="Of the last so many days.")] = 7,
) -> None:
    """Print figures per destination in the text format of Prometheus."""
    from assets.delivery.measuring import measure
    from pipelines.metrics import DeliveryMetrics, exposition, write

    config = load_config()
    first = datetime.now(config.zone).date() - timedelta(days=days)
    with _database(config) as database:
        measured = measure(database, list(config.destinations), first=first.isoformat())
        found = DeliveryMetrics(measured, database.clock()())
    if file is None:
        typer.echo(exposition(found), nl=False)
    else:
        write(found, file)


@app.command()
@explained
def check(
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Connect to no provider.")
    ] = False,
) -> None:
    """Check configuration, connections, and the statements against the contract."""
    from pipelines.checkup import check_up

    failed = False
    for finding in check_up(load_config(), offline=offline):
        failed = failed or not finding.is_good
        mark = "[green]ok[/green]  " if finding.is_good else "[red]fail[/red]"
        console.print(mark, finding.subject, end=" ")
        console.print(finding.text, markup=False, highlight=False)
    raise typer.Exit(WRONG if failed else 0)


@app.command()
@explained
def migrate() -> None:
    """Make the delivery tables, or bring them to this program's version."""
    with _database(load_config()) as database:
        database.migrate()
    console.print("The delivery tables are at this program's version.")


@app.command()
@explained
def resolve(
    delivery: Annotated[
        str,
        typer.Argument(
            help="Its id, from v_needs_human; or `staged`, `uncertain`, `exhausted`, "
            "`rejected`: all in that state; or `orders`: those of --orders, whatever "
            "is known of them. With --date and --to."
        ),
    ],
    verdict: Annotated[Verdict, typer.Argument(help="What you found out.")],
    *,
    by: Annotated[str, typer.Option(help="Your name, kept with the decision.")],
    why: Annotated[str, typer.Option(help="What it rests on, kept as well.")],
    day: Annotated[
        datetime | None,
        typer.Option("--date", formats=_DAY, help="With a state: the day."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=_DAY, help="With a state: the last of several days."),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="With a state: the destination.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="With a state: only those for this reason.")
    ] = None,
    orders: Annotated[
        Path | None,
        typer.Option(
            exists=True, help="With a state: only the order ids in it, one a line."
        ),
    ] = None,
    may_repeat: Annotated[
        bool,
        typer.Option(
            "--may-repeat",
            help="Send again also what was sent and may have counted: the provider "
            "may count it twice.",
        ),
    ] = False,
) -> None:
    """Settle what no run can finish: say whether it was delivered."""
    from pipelines.resolving import Word, resolved
    from pipelines.shown import on_one_line

    word = Word(
        is_delivered=verdict is Verdict.DELIVERED, by=by, why=why, may_repeat=may_repeat
    )
    only = None if orders is None else _lines(orders)
    config = load_config()
    with _database(config) as database:
        done = resolved(
            config,
            database,
            delivery,
            word,
            first=day and day.date(),
            last=until and until.date(),
            destination=to,
            reason=reason,
            order_ids=only,
        )
    for one in done:
        said = f"{one.destination} {one.order_id}: {one.before} -> {one.after}"
        console.print(on_one_line(said), markup=False, highlight=False)
    if not done:
        console.print("All of them are known as delivered; nothing was changed.")


@app.command()
@explained
def recover(
    first: Annotated[datetime, typer.Option("--from", formats=_DAY, help="First day.")],
    last: Annotated[datetime, typer.Option("--to", formats=_DAY, help="Last day.")],
    *,
    by: Annotated[str, typer.Option(help="Your name, kept with the decision.")],
    why: Annotated[str, typer.Option(help="What it rests on, kept as well.")],
) -> None:
    """After a restore: take back what the copy in the warehouse knows as told."""
    from collections import Counter

    from assets.delivery.recovering import recover as take_back
    from pipelines.build import lent_source

    since, until = first.date().isoformat(), last.date().isoformat()
    with lent_source(load_config()) as source, source.warehouse.writing() as engine:
        done = take_back(
            source.database, engine, first=since, last=until, by=by, why=why
        )
    found = Counter(
        (one.partition_key, one.destination, one.before or "missing", one.after)
        for one in done
    )
    for (day, name, before, after), count in sorted(found.items()):
        console.print(f"{day} {name}: {count} {before} -> {after}", highlight=False)
    console.print(f"{len(done)} deliveries were taken back.", highlight=False)


@app.command()
@explained
def sandbox(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8787,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="Misbehave: provider[/account]:kind[=value][@rate][~order][#first-n], "
            "for example trackdesk/bumpy:status=503@0.2."
        ),
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(help="JSON Lines file of every request.")
    ] = None,
) -> None:
    """Stand in for the four providers; print what is received."""
    from pipelines.sandbox.server import SandboxServer, serve

    try:
        server = SandboxServer(port, journal, fault or [], on_entry=_print_entry)
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from None
    try:
        serve(server, lambda url: console.print(f"Sandbox at {url}; Ctrl-C ends it."))
    except KeyboardInterrupt:
        console.print("Sandbox ended.")


@app.command()
@explained
def demo(
    ui: Annotated[
        bool, typer.Option("--ui", help="Open the Dagster UI on the demo afterwards.")
    ] = False,
) -> None:
    """Seed a warehouse, start the sandbox, export a day, show where to look."""
    from pipelines.demo.tour import tour

    raise typer.Exit(tour(console, ui=ui))


def _dry_run(launcher: Any, day: date, names: list[str], override: str) -> None:
    from pipelines.dry_run import previews
    from pipelines.shown import print_preview

    staged = launcher.export(day, to=names, override=override, until_conversions=True)
    _end([staged])
    for name, found in previews(launcher.config, day.isoformat(), names):
        print_preview(console, name, found)


def _print_states(config: Config, first: date, last: date) -> None:
    from assets.delivery.totals import totals, waiting_for_a_person
    from pipelines.shown import print_states

    days = {"first": first.isoformat(), "last": last.isoformat()}
    with _database(config) as database:
        found, waiting = (
            totals(database, **days),
            waiting_for_a_person(database, **days),
        )
    print_states(console, found)
    if waiting:
        console.print(
            f"{waiting} deliveries wait for a person: look at v_needs_human, then use "
            "attribution resolve."
        )


def _print_entry(entry: Any) -> None:
    from pipelines.sandbox.printed import printed

    console.print(printed(entry), markup=False, highlight=False)


def _end(results: "list[DayResult]") -> None:
    """Tell what failed; leave with 1 where a re-run helps, 3 where only a word does."""
    failed = [result for result in results if not result.finished]
    for result in failed:
        for step, why in result.failures.items():
            errors.print(f"{result.day} {step}: {why}", markup=False, highlight=False)
    if failed:
        refused = all(result.refused for result in failed)
        raise typer.Exit(REFUSED if refused else LEFT_OVER)


@contextmanager
def _database(config: Config) -> Iterator[Any]:
    from assets.delivery.database import Database

    config.require("ledger_url")
    database = Database(config.ledger_url.get_secret_value())
    try:
        yield database
    finally:
        database.dispose()


def _lines(file: Path) -> set[str]:
    # Not `splitlines`: an order id may hold what Unicode calls the end of a line.
    lines = file.read_text(encoding="utf-8-sig").split("\n")
    return {line.strip() for line in lines if line.strip()}


def _key(day: datetime | None) -> str | None:
    return None if day is None else day.date().isoformat()
