"""What `commission run` says of a completed date, to people and as JSON."""

from typing import Any

from rich.markup import escape

from commission_engine.book import facts, runs
from commission_engine.book.connect import Engine, reading
from commission_engine.calendar import date_of
from commission_engine.cli.common import counted, out, print_json, say
from commission_engine.cli.holds import held_in_run, tell
from commission_engine.cli.sources import Input, described
from commission_engine.converting import unconverted
from commission_engine.imports import Imported
from commission_engine.money import plain, spoken
from commission_engine.publish.folder import Published


def summary(engine: Engine, done: runs.Run, fresh: Published, input_: Input, as_json: bool) -> None:
    with reading(engine) as connection:
        plan = facts.plan_of(connection, done.plan_version)
        held = held_in_run(connection, done.day)
        waits = unconverted(connection, plan, done.day, done.intake) if done.settles else []
    figures, counts = done.figures, done.figures["counts"]
    if as_json:
        totals = {
            code: {name: plain(minor, plan.decimals[code]) for name, minor in sums.items()}
            for code, sums in figures["totals"].items()
        }
        print_json(
            {
                "run_date": date_of(done.day).isoformat(),
                "settlement": done.settles,
                "counts": counts,
                "totals": totals,
                "imported": [_counted(each) for each in input_.imported],
                "fetched": [described(each) for each in input_.fetched],
                "folder": str(fresh.folder),
                "written": len(fresh.written),
                "holds": held,
                "unconverted": waits,
            }
        )
        return
    out.print(
        f"[bold]{escape(plan.name)}, {date_of(done.day)}[/]: {counted(counts['events'], 'event')},"
        f" {counted(counts['lines'], 'line')}, "
        + (counted(counts["statements"], "statement") if done.settles else "no settlement today")
    )
    for code, sums in figures["totals"].items():
        decimals = plan.decimals[code]

        def said(name: str, sums: Any = sums, code: str = code, decimals: int = decimals) -> str:
            return spoken(sums[name], code, decimals)

        line = f"  {said('commission')} commission of {said('gross')} before caps"
        if done.settles:
            line += f"; paid out {said('paid')}, carried over {said('closing')}"
        if sums.get("returned"):
            line += f"; {said('returned')} came back"
        out.print(line)
    if done.settles:
        out.print(f"  {counted(counts['payouts'], 'payout')}")
    if counts["rejects"]:
        refused = counted(counts["rejects"], "refused row")
        say(f"[yellow]{refused}[/]: commission rejects --date {date_of(done.day)}")
    tell(held)
    for each in waits:
        say(f"[yellow]not paid:[/] {escape(each['affiliate_id'])}, {each['currency']}"
            f" {each['available']}, is paid in {each['paid_in']}, and {each['why']}")  # fmt: skip
    if waits:
        say("next: commission rates import FILE; the settlement after it pays them")
    say(f"files: {fresh.folder}")


def _counted(each: Imported) -> dict[str, Any]:
    return {
        "kind": str(each.kind),
        "read": each.read,
        "accepted": each.accepted,
        "duplicate": each.duplicate,
        "rejected": each.rejected,
    }
