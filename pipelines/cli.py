"""The `attribution` command: which commands there are. `commands/` holds each.

Commands import what they need when they are called, so that `--help` and `status` are
quick.
"""

try:
    import typer

    from pipelines.commands.runs import backfill, export
    from pipelines.commands.status import check, metrics, status
    from pipelines.commands.tables import migrate, recover, resolve
    from pipelines.commands.trial import demo, sandbox
except KeyboardInterrupt:
    # Ctrl-C while the program loads; later, typer ends it like this.
    raise SystemExit(130) from None

app = typer.Typer(
    name="attribution",
    help="Tells marketing providers about completed orders, once each.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (
    export,
    backfill,
    status,
    metrics,
    check,
    migrate,
    resolve,
    recover,
    sandbox,
    demo,
):
    app.command()(command)


def main() -> None:
    """Run the command; the entry point of the installed script."""
    app()
