"""The program `commission`: words in, words out. Every command is a few lines over the engine.

Data goes to stdout, talk to stderr; problems.Exit says what the exit codes mean.
"""

from collections.abc import Callable
from typing import Any

import typer

from commission_engine import __version__
from commission_engine.cli import (
    archive,
    audit,
    backfill,
    care,
    close,
    correct,
    db,
    decide,
    explain,
    export,
    holds,
    imports,
    look,
    payees,
    payouts,
    plan,
    rates,
    reconcile,
    replay,
    run,
    runs,
    serve,
    sources,
    statements,
    status,
    tax,
    tree,
    users,
)

app = typer.Typer(
    name="commission",
    help="Multi-level affiliate commissions: import what happened, run the night, see why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("backfill")(backfill.backfill)
app.command("decide")(decide.decide)
app.command("import")(imports.import_)
app.command("fetch")(sources.fetch)
app.command("sources")(sources.sources)
app.add_typer(plan.app, name="plan")
app.command("lines")(look.lines)
app.add_typer(statements.app, name="statements")
app.add_typer(payouts.app, name="payouts")
app.add_typer(payees.app, name="payees")
app.add_typer(rates.app, name="rates")
app.add_typer(reconcile.app, name="reconcile")
app.command("balances")(look.balances)
app.command("rejects")(look.rejects)
app.command("holds")(holds.holds)
app.command("release")(holds.release_)
app.add_typer(runs.app, name="runs")
app.command("status")(status.status)
app.command("adjust")(correct.adjust_)
app.command("true-up")(correct.true_up_)
app.add_typer(correct.app, name="corrections")
app.command("close")(close.close_)
app.command("closings")(close.closings)
app.command("reopen")(close.reopen)
app.add_typer(tax.app, name="tax")
app.add_typer(tree.app, name="tree")
app.add_typer(export.app, name="export")
app.command("explain")(explain.explain)
app.command("verify")(care.verify)
app.command("replay")(replay.replay)
app.command("audit")(audit.audit)
app.add_typer(db.app, name="db")
app.command("archive")(archive.archive)
app.command("serve")(serve.serve)
app.add_typer(users.app, name="users")
app.add_typer(care.config, name="config")


@app.callback(invoke_without_command=True)
def start(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def command() -> Callable[[], Any]:
    """The whole program, ready to be called; all options are read for it."""
    return typer.main.get_command(app)
