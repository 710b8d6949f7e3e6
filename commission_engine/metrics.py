"""What Prometheus asks of a book, as its text format. Where the text goes is for others to say.

No clock: every time is one that stands in the book, so that what has stopped is seen to be old.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from commission_engine import __version__
from commission_engine.book.attempts import Stage
from commission_engine.book.connect import Connection
from commission_engine.book.state import State, state
from commission_engine.calendar import Day
from commission_engine.ledger.holds import HoldKind
from commission_engine.money import plain
from commission_engine.problems import Code

LOCK = "taking the lock"
"""The stage in which a run waits for others."""

DAY_SECONDS = 86_400
TOTALS = ("gross", "commission", "paid", "closing")


@dataclass(slots=True)
class Metric:
    """One metric with its help, its type, and a value for each set of labels."""

    name: str
    kind: str
    help: str
    samples: list[tuple[Mapping[str, str], str]] = field(default_factory=list)

    def add(self, value: int | str, **labels: str) -> "Metric":
        """A value: a whole number, or an exact decimal as text."""
        self.samples.append((labels, str(value)))
        return self

    def lines(self) -> Iterator[str]:
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self.samples:
            said = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            yield f"{self.name}{{{said}}} {value}" if said else f"{self.name} {value}"


def _escaped(text: str) -> str:
    """The value of a label."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def metrics_text(connection: Connection, due: Day | None = None) -> str:
    """The metrics of a book. `due` is the last business date that should be complete by now, for
    the lag; where nobody knows the time there is none."""
    return text_of(metrics(state(connection), due))


def text_of(all_metrics: Iterable[Metric]) -> str:
    """Those that have a value, in the text format."""
    found = [line for metric in all_metrics if metric.samples for line in metric.lines()]
    return "".join(f"{line}\n" for line in found)


def metrics(found: State, due: Day | None = None) -> Iterator[Metric]:
    """Every metric of a book; without samples where it has none yet."""
    info = Metric("commission_info", "gauge", "The programme and the version that says so.")
    yield info.add(1, programme=found.programme, version=__version__)
    yield from _times(found, due)
    yield from _stages(found.stages)
    yield from _counts(found)
    yield from _amounts(found)
    yield from _waiting(found)


def _times(found: State, due: Day | None) -> Iterator[Metric]:
    success = Metric(
        "commission_last_success_timestamp_seconds", "gauge", "When the last run was completed."
    )
    date = Metric(
        "commission_last_business_date_timestamp_seconds",
        "gauge",
        "The last completed business date, as its midnight in UTC.",
    )
    started = Metric(
        "commission_last_attempt_timestamp_seconds", "gauge", "When a run was last started."
    )
    failures = Metric(
        "commission_failed_attempts",
        "gauge",
        "Starts of runs since the last completed one that did not complete.",
    )
    lag = Metric(
        "commission_lag_days", "gauge", "Business dates that were due and not complete, as of then."
    )
    if found.last:
        success.add(_seconds(found.last.completed_at))
        date.add(found.last.day * DAY_SECONDS)
        if due is not None:
            lag.add(max(0, due - found.last.day))
    if found.attempt:
        started.add(_seconds(found.attempt.started_at))
    yield from (success, date, started, failures.add(found.failures), lag)


def _seconds(instant: str) -> int:
    return int(datetime.fromisoformat(instant).timestamp())


def _stages(stages: Iterable[Stage]) -> Iterator[Metric]:
    took: dict[str, int] = {}  # a stage that was repeated counts with all of its time
    for stage in stages:
        took[stage.name] = took.get(stage.name, 0) + stage.milliseconds
    seconds = Metric(
        "commission_run_stage_seconds", "gauge", "How long the stages of the last run took."
    )
    for name, milliseconds in took.items():
        seconds.add(plain(milliseconds, 3), stage=name)
    whole = Metric("commission_run_seconds", "gauge", "How long all stages of the last run took.")
    waited = Metric(
        "commission_run_lock_wait_seconds", "gauge", "How long the last run waited for the lock."
    )
    if took:
        whole.add(plain(sum(took.values()), 3))
        waited.add(plain(took.get(LOCK, 0), 3))
    yield from (seconds, whole, waited)


def _counts(found: State) -> Iterator[Metric]:
    told = {
        "events": "Events that runs have decided.",
        "lines": "Lines that runs have written.",
        "statements": "Statements that runs have written.",
        "payouts": "Payouts that runs have decided.",
    }
    yield Metric("commission_runs_total", "counter", "Completed runs.").add(len(found.runs))
    for name, said in told.items():
        total = sum(run.figures["counts"][name] for run in found.runs)
        yield Metric(f"commission_{name}_total", "counter", said).add(total)
    for name in told:
        metric = Metric(f"commission_run_{name}", "gauge", f"{name.capitalize()} of the last run.")
        yield metric.add(found.last.figures["counts"][name]) if found.last else metric
    yield Metric(
        "commission_refused_rows_total", "counter", "Rows of input that were refused."
    ).add(found.refused_ever)
    refused = Metric(
        "commission_refused_rows",
        "gauge",
        "Rows refused in the last seven dates that have not come in a better form.",
    )
    for code in Code:
        refused.add(
            sum(each.waiting for each in found.refused if each.code == code), code=code.value
        )
    yield refused


def _amounts(found: State) -> Iterator[Metric]:
    """In whole units of each currency, as exact decimals."""
    decimals = {each.currency: each.decimals for each in found.owed}
    of_run = Metric(
        "commission_run_amount", "gauge", "Totals of the last run, in units of the currency."
    )
    for code, sums in sorted(found.last.figures["totals"].items() if found.last else ()):
        for name in TOTALS:
            if name in sums:
                of_run.add(plain(sums[name], decimals[code]), currency=code, total=name)
    owed = Metric("commission_owed_amount", "gauge", "What is owed to all affiliates together.")
    for each in found.owed:
        for name, minor in (("held", each.held), ("available", each.available)):
            owed.add(plain(minor, each.decimals), currency=each.currency, state=name)
    yield from (of_run, owed)


def _waiting(found: State) -> Iterator[Metric]:
    holds = Metric("commission_open_holds", "gauge", "Holds that wait for a person.")
    for kind in HoldKind:
        holds.add(sum(each == kind for each, _ in found.holds), kind=kind.value)
    payouts = Metric("commission_payouts", "gauge", "Payouts that are not done with, by state.")
    for name, count in found.payouts.items():
        payouts.add(count, state=name)
    events = Metric("commission_waiting_events", "gauge", "Events that no run has decided.")
    events.add(found.new_events, state="new").add(found.later_events, state="later")
    yield from (holds, payouts, events)
