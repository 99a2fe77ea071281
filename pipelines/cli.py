"""The `attribution` command line; the modules in `commands` implement its commands.

A command imports what it needs when it is called, so that `--help` and `status` are
fast.
"""

try:
    import typer

    from pipelines.commands.demo import demo
    from pipelines.commands.resolve import resolve
    from pipelines.commands.runs import backfill, export, finish
    from pipelines.commands.sandbox import sandbox
    from pipelines.commands.status import check, metrics, status
    from pipelines.commands.tables import migrate, recover
except KeyboardInterrupt:
    # Ctrl-C during the imports: exit as typer does after them.
    raise SystemExit(130) from None

app = typer.Typer(
    name="attribution",
    help="Reports completed orders to marketing providers, once each.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (
    export,
    backfill,
    finish,
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
    """Run the command line; the entry point of the installed script."""
    app()
