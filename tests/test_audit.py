"""The audit trail: one row for every change, and nothing that was recorded can be altered unseen.

COMMISSION_AUDIT_TAMPERS says how often a book is tampered with (1000), COMMISSION_AUDIT_SEED with
what chance; a tenth of it is done on PostgreSQL.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
import series
import sqlalchemy as sa
from alembic import command
from engines import Fresh
from program import EARNINGS, HEADER, PLAN, Program, program_in, shop, tree
from test_migrations import config

from commission_engine.book import audit, digests, facts, runs
from commission_engine.book.anchors import anchor_of
from commission_engine.book.connect import Connection, Engine, connect, migrate, reading, writing
from commission_engine.book.digests import KEYS, Digest, digest_of, stored_span
from commission_engine.book.schema import APPEND_ONLY, metadata
from commission_engine.calendar import Zone, date_of
from commission_engine.problems import CommissionError
from commission_engine.trail import anchored, prove_anchor, prove_trail
from commission_engine.verify import verify

MANY = int(os.environ.get("COMMISSION_AUDIT_TAMPERS", series.of("250", "1000")))
SEED = int(os.environ.get("COMMISSION_AUDIT_SEED", "4"))
MOVE = ("tree", "move", "cat", "--since", "2026-03-01", "--reason", "x")
NONSENSE = (
    CommissionError, ArithmeticError, LookupError, TypeError, ValueError,
    pl.exceptions.PolarsError,
)  # fmt: skip
"""What `verify` takes for a difference when it reads rows that make no sense."""


# --- one row for every change --------------------------------------------------------------------


def trail(url: str) -> list[audit.Row]:
    with reading(connect(url)) as connection:
        return audit.rows(connection)


def whats(url: str) -> list[str]:
    return [row.what for row in trail(url)]


def test_every_kind_of_change_is_one_row(
    commission: Program, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = shop(tmp_path / "in")
    people = tmp_path / "affiliates.csv"
    people.write_text("affiliate_id,status\nann,suspended\n", "utf-8")
    night = ["settings", "run", "files"]
    for words, rows in (
        (("plan", "apply", given / "plan.toml"), ["plan"]),
        (("plan", "apply", given / "plan.toml"), []),
        (("import", "referrals", given / "referrals.csv"), ["import referrals"]),
        (("import", "earnings", given / "earnings.csv"), ["import earnings"]),
        (("import", "earnings", given / "earnings.csv"), []),
        (("run", "--date", "2026-02-28"), night),
        (("run", "--date", "2026-02-28"), []),
        (("import", "affiliates", people), ["import affiliates"]),
        (
            ("tree", "move", "cat", "--to", "ann", "--since", "2026-03-01", "--reason", "x"),
            ["move"],
        ),
        (("run", "--date", "2026-03-01"), ["run", "files"]),
        (("verify",), []),
        (("audit",), []),
    ):
        before = whats(database_url)
        assert commission(*words).code == 0, words
        assert whats(database_url) == before + rows, words
    monkeypatch.setenv("COMMISSION_DOCUMENTS", "all")
    before = whats(database_url)
    commission("run", "--date", "2026-03-02")
    assert whats(database_url) == before + night
    assert commission("verify").code == 0


def test_a_row_says_who_when_what_and_from_where(
    commission: Program, database_url: str, tmp_path: Path
) -> None:
    given = shop(tmp_path / "in")
    commission("plan", "apply", given / "plan.toml")
    commission("import", "referrals", given / "referrals.csv")
    commission("tree", "move", "cat", "--to-root", "--since", "2026-03-01", "--reason", "his wish")
    plan, referrals, move = trail(database_url)
    with reading(connect(database_url)) as connection:
        learned = connection.execute(
            sa.text("SELECT learned_at, who FROM intake ORDER BY id")
        ).all()
    assert [(row.at, row.who) for row in (plan, referrals, move)] == [tuple(r) for r in learned]
    assert move.process == os.getpid()
    assert move.host
    assert move.command == (
        "commission tree move cat --to-root --since 2026-03-01 --reason 'his wish'"
    )
    said = move.told()
    assert (said["affiliate_id"], said["referrer_id"], said["since"], said["reason"]) == (
        "cat", None, "2026-03-01T00:00:00Z", "his wish",
    )  # fmt: skip
    assert {name: span["rows"] for name, span in said["rows"].items()} == {
        "intake": 1, "referral": 1,
    }  # fmt: skip
    assert referrals.told()["files"][0]["name"] == "referrals.csv"
    assert (plan.previous, referrals.previous, move.previous) == (
        "0" * 64, plan.hash, referrals.hash,
    )  # fmt: skip


def test_a_password_in_the_command_is_not_kept(
    postgresql_url: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    commission = program_in(tmp_path, "sqlite:///none.db", monkeypatch, capsys)
    given = shop(tmp_path / "in")
    url = sa.make_url(postgresql_url).set(password="s3cret").render_as_string(hide_password=False)
    assert "s3cret" in url
    commission("plan", "apply", given / "plan.toml", f"--database={url}")
    commission("import", "referrals", given / "referrals.csv", "--database", url)
    for row in trail(postgresql_url):
        assert row.command.startswith("commission ")
        assert "--database" in row.command
        assert "s3cret" not in row.command


def test_what_fails_and_what_is_for_show_leaves_no_row(
    commission: Program, database_url: str, tmp_path: Path
) -> None:
    given = shop(tmp_path / "in")
    commission("plan", "apply", given / "plan.toml")
    commission("import", "referrals", given / "referrals.csv")
    bad = tmp_path / "bad.csv"
    bad.write_text(HEADER + "e9,bob,2026-01-05,1.005,USD,\n", "utf-8")
    other = tmp_path / "other.toml"
    other.write_text(PLAN.replace('"20%"\n[', '"20%"\nwindow = 3\n['), "utf-8")
    before = trail(database_url)
    for words, code in (
        (("import", "earnings", bad, "--strict"), 3),
        (("import", "earnings", bad, "--dry-run"), 3),
        (("import", "earnings", tmp_path / "none.csv"), 2),
        (("plan", "apply", other), 2),
        (("plan", "apply", given / "plan.toml", "--dry-run"), 0),
        (("tree", "move", "ann", "--to", "cat", "--since", "2026-01-01", "--reason", "x"), 2),
        (("tree", "move", "cat", "--to", "ann", "--since", "2026-03-01", "--reason", "x",
          "--dry-run"), 0),
        (("run", "--date", "not a day"), 2),
    ):  # fmt: skip
        assert commission(*words).code == code, words
        assert trail(database_url) == before, words


def test_a_night_that_fails_late_leaves_no_row(
    commission: Program, database_url: str, tmp_path: Path
) -> None:
    """A table of the ledger is in the way: of the run itself nothing stays, of the import before it
    everything."""
    given = shop(tmp_path / "in")
    with writing(connect(database_url)) as connection:
        connection.exec_driver_sql("ALTER TABLE payout RENAME TO elsewhere")
    assert commission("run", given, "--date", "2026-02-28").code != 0
    assert whats(database_url) == ["plan", "import referrals", "import earnings"]


def test_the_second_of_two_processes_leaves_no_row(
    commission: Program, database_url: str, tmp_path: Path
) -> None:
    from commission_engine.book.lock import working

    given = shop(tmp_path / "in")
    with working(connect(database_url), "somebody else", "now"):
        assert commission("run", given, "--date", "2026-02-28").code == 4
    assert trail(database_url) == []


# --- the listing ---------------------------------------------------------------------------------


def test_the_trail_is_listed_and_filtered(commission: Program, tmp_path: Path) -> None:
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    rows = json.loads(commission("audit", "--json").out)
    assert [row["what"] for row in rows] == [
        "plan", "import referrals", "import earnings", "settings", "run", "files",
    ]  # fmt: skip
    assert rows[-2]["details"]["anchor"]["number"] == 1
    assert "import earnings" in commission("audit").out
    imports = json.loads(commission("audit", "--what", "import", "--json").out)
    assert [row["id"] for row in imports] == [2, 3]
    assert json.loads(commission("audit", "--since", "2999-01-01", "--json").out) == []
    assert "the last 1 of 6 changes" in commission("audit", "--limit", "1").err
    assert commission("audit", "--since", "tomorrow").code == 2


def test_the_chain_is_proved_alone_and_against_a_head_that_was_noted(
    commission: Program, database_url: str, tmp_path: Path
) -> None:
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    head = json.loads(commission("audit", "--check", "--json").out)["head"]
    assert head == "6:" + trail(database_url)[-1].hash
    commission("run", "--date", "2026-03-01")
    done = commission("audit", "--check", "--head", head)
    assert (done.code, done.out.startswith("8 rows: the chain holds; head 8:")) == (0, True)
    done = commission("audit", "--check", "--head", head[:-1] + ("0" if head[-1] != "0" else "1"))
    assert (done.code, "row 6 is not the one that was noted" in done.err) == (5, True)
    assert commission("audit", "--check", "--head", "5:abc").code == 2
    assert commission("audit", "--head", head).code == 2


# --- what the manifests say ----------------------------------------------------------------------


def test_the_manifest_names_the_anchor_and_comes_back_the_same(
    commission: Program, database_url: str, tmp_path: Path
) -> None:
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    commission("run", "--date", "2026-03-01")
    first, second = (
        json.loads((tmp_path / "out" / date / "manifest.json").read_text("utf-8"))["audit"]
        for date in ("2026-02-28", "2026-03-01")
    )
    assert [row.told()["anchor"] for row in trail(database_url) if row.what == "run"] == [
        first, second,
    ]  # fmt: skip
    assert (first["number"], first["previous"]) == (1, "0" * 64)
    assert (second["number"], second["previous"]) == (2, first["sha256"])
    before = tree(tmp_path / "out")
    (tmp_path / "out" / "2026-02-28" / "manifest.json").unlink()
    commission("run", "--date", "2026-02-28")
    assert tree(tmp_path / "out") == before


def test_the_anchor_is_of_the_facts_and_not_of_how_they_came(
    sqlite_books: Fresh, postgresql_books: Fresh, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """One folder on SQLite; row by row, twice, and last to first on PostgreSQL."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with sqlite_books() as one, postgresql_books() as other:
        commission = program_in(tmp_path / "a", one, monkeypatch, capsys)
        commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
        commission = program_in(tmp_path / "b", other, monkeypatch, capsys)
        commission("plan", "apply", tmp_path / "in" / "plan.toml")
        rows = EARNINGS.removeprefix(HEADER).splitlines(keepends=True)
        for number, row in enumerate([*rows[2::-1], rows[0], rows[3], rows[3]]):
            file = tmp_path / f"{number}.csv"
            file.write_text(HEADER + row, "utf-8")
            commission("import", "earnings", file)
        commission("import", "referrals", tmp_path / "in" / "referrals.csv")
        commission("run", "--date", "2026-02-28")
        assert len(trail(other)) == len(trail(one)) + 3
        assert tree(tmp_path / "b" / "out") == tree(tmp_path / "a" / "out")


# --- books from before the trail -----------------------------------------------------------------


def before_the_trail(engine: Engine) -> None:
    """The book as the program before this table left it."""
    with writing(engine) as connection:
        command.downgrade(config(connection), "0002")


def test_a_book_from_before_is_bound_with_its_next_change(
    commission: Program, database_url: str, tmp_path: Path
) -> None:
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    manifest = tmp_path / "out" / "2026-02-28" / "manifest.json"
    said = json.loads(manifest.read_text("utf-8"))
    del said["audit"]
    manifest.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n", "utf-8")
    before_the_trail(connect(database_url))
    assert commission("verify").code == 0
    assert whats(database_url) == ["begin"]
    commission("run", "--date", "2026-03-01")
    assert whats(database_url) == ["begin", "bound", "settings", "run", "files"]
    assert commission("verify").code == 0
    bound = trail(database_url)[1].told()
    assert bound["rows"]["event"]["rows"] == 4
    with writing(connect(database_url)) as connection:
        unguarded(connection)
        connection.exec_driver_sql("UPDATE event SET extra = 'x' WHERE id = 1")
    done = commission("verify")
    assert (done.code, "table event has other rows than row 2 says" in done.err) == (5, True)


def test_an_emptied_trail_of_an_old_book_is_found(
    commission: Program, database_url: str, tmp_path: Path
) -> None:
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    before_the_trail(connect(database_url))
    migrate(connect(database_url))
    with writing(connect(database_url)) as connection:
        unguarded(connection)
        connection.exec_driver_sql("DELETE FROM audit")
    assert "the trail is empty, the book is not" in commission("verify").err


# --- digests -------------------------------------------------------------------------------------


def test_a_digest_is_of_the_rows_and_not_of_their_parts() -> None:
    rows = 2 * digests.ROWS + 77
    frame = pl.DataFrame(
        {
            "n": pl.Series([(i * 2654435761) % 2**40 - 2**39 for i in range(rows)], dtype=pl.Int64),
            "t": [None if i % 3 == 0 else "é" * (i % 5) for i in range(rows)],
        }
    )
    whole = digest_of(frame)
    for size in (1_000, digests.ROWS, digests.ROWS + 1):
        parts = Digest(frame.columns)
        for part in frame.iter_slices(size):
            parts.add(part)
        assert (parts.rows, parts.sha256()) == (rows, whole["sha256"])


@pytest.mark.parametrize("values", [
    ([1, 2], [2, 1]), ([0, 0], [0, 0, 0]), ([2**63 - 1, -(2**63)], [-(2**63), 2**63 - 1]),
    ([0, 255], [0, 256]), ([5, 5], [6, 6]), ([], [0]), (["ab", "c"], ["a", "bc"]),
    ([None, "a"], ["", "a"]), ([None], [""]), (["a", None], [None, "a"]),
])  # fmt: skip
def test_other_rows_have_another_digest(values: tuple[list[Any], list[Any]]) -> None:
    kind = pl.String if any(isinstance(v, str) for part in values for v in part) else pl.Int64
    one, other = (digest_of(pl.DataFrame({"x": pl.Series(v, dtype=kind)})) for v in values)
    assert one["sha256"] != other["sha256"]


def test_few_texts_and_many_have_one_form(monkeypatch: pytest.MonkeyPatch) -> None:
    for texts in (["ab", None, "", "é"], ["", ""], [None, ""], [None, None], ["x"] * 3):
        frame = pl.DataFrame({"x": pl.Series(texts, dtype=pl.String)})
        few = digest_of(frame)
        with monkeypatch.context() as patch:
            patch.setattr(digests, "_FEW", 0)
            assert digest_of(frame) == few


def test_large_tables_are_proved_in_parts(
    commission: Program, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    more = tmp_path / "more.csv"
    more.write_text(HEADER + "n1,bob,2026-03-05,1.00,USD,\nn2,bob,2026-03-05,1,USD,\n", "utf-8")
    commission("import", "earnings", more)
    for size in (1, 2, 3):
        monkeypatch.setattr(audit, "ROWS_AT_ONCE", size)
        assert commission("verify").code == 0
    with writing(connect(database_url)) as connection:
        unguarded(connection)
        connection.exec_driver_sql("UPDATE event SET id = 1000, root = 1000 WHERE event_id = 'n2'")
    for size in (1, 500_000):
        monkeypatch.setattr(audit, "ROWS_AT_ONCE", size)
        assert "table event has 1 rows of which the trail says nothing" in commission("verify").err


# --- tampering -----------------------------------------------------------------------------------


def unguarded(connection: Connection) -> None:
    """Take away the database's own guards, as somebody with all rights can."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        return
    for name in APPEND_ONLY:
        for verb in ("update", "delete"):
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}_refuses_{verb}")
    connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")


@dataclass(frozen=True)
class Book:
    """A book of three runs, its files, and the hash of its last row as it was noted."""

    engine: Engine
    out: Path
    head: str


def lived(url: str, folder: Path, patch: pytest.MonkeyPatch, capsys: Any) -> Book:
    """Two currencies, refusals, a move, a new status, a changed plan and a changed setting."""
    commission = program_in(folder, url, patch, capsys)
    people = "affiliate_id,name,status\nann,Ann,active\nbob,,\ndan,Dan,closed\n"
    (folder / "people.csv").write_text(people, "utf-8")
    (folder / "status.csv").write_text("affiliate_id,status\nann,suspended\n", "utf-8")
    more = (
        HEADER
        + "n1,cat,2026-03-05,70.00,EUR,\nn2,cat,2026-03-06,1.5,USD,\n"
        + "r2,bob,2026-03-05,-1.00,USD,e2\n"
    )
    (folder / "more.csv").write_text(more + "x,,2026-03-05,1.00,USD,\n", "utf-8")
    (folder / "plan.toml").write_text(PLAN.replace('"5.00"', '"6.00"'), "utf-8")
    given = shop(folder / "in", EARNINGS + "bad,cat,2026-01-05,1.234,USD,\n")
    move = ("tree", "move", "cat", "--to", "ann", "--since", "2026-03-01", "--reason", "a wish")
    commission("import", "affiliates", "people.csv")
    commission("run", given, "--date", "2026-02-28")
    commission("import", "affiliates", "status.csv")
    commission(*move)
    commission("import", "earnings", "more.csv")
    commission("run", "--date", "2026-03-10")
    commission("plan", "apply", "plan.toml")
    patch.setenv("COMMISSION_DOCUMENTS", "none")
    commission("run", "--date", "2026-03-11")
    assert commission("verify").code == 0
    kinds = Counter(whats(url))
    assert kinds == {
        "plan": 2, "import affiliates": 2, "import referrals": 1, "import earnings": 2, "move": 1,
        "settings": 2, "run": 3, "files": 3,
    }  # fmt: skip
    return Book(connect(url), folder / "out", trail(url)[-1].hash)


def found(connection: Connection, book: Book) -> list[str]:
    """The first thing that `verify` finds of the trail, with the files beside it."""
    try:
        differences = list(islice(prove_trail(connection, book.out), 1))
        completed = [] if differences else runs.completed(connection)
        for place, run in enumerate(completed):
            zone = Zone(facts.plan_of(connection, run.plan_version).timezone)
            before = completed[:place]
            due = runs.due(connection, before, run.day, run.intake, run.event, zone)
            differences += prove_anchor(connection, run, before, due)
    except NONSENSE as why:
        return [repr(why)]
    return differences


Values = dict[str, Any]
BOUND = [metadata.tables[name] for name in ("audit", *KEYS)]


class Tamperer:
    """Somebody with all rights on the database, and chance."""

    def __init__(self, connection: Connection, random: Random) -> None:
        self.connection, self.random = connection, random

    def table(self) -> tuple[sa.Table, list[Values]]:
        while True:
            table = self.random.choice(BOUND)
            if self.random.random() < 0.3:
                table = BOUND[0]
            if rows := self.rows(table):
                return table, rows

    def rows(self, table: sa.Table) -> list[Values]:
        order = list(table.primary_key)
        return [
            dict(row)
            for row in self.connection.execute(sa.select(table).order_by(*order)).mappings()
        ]

    def key(self, table: sa.Table, row: Values) -> Any:
        return sa.and_(*(column == row[column.name] for column in table.primary_key))

    def other(self, column: sa.Column[Any], value: Any) -> Any:
        """Another value than this one, as the column can hold it."""
        random = self.random
        if not isinstance(column.type, sa.Text):
            return value + random.choice((1, -1, 7, random.randint(1, 30_000)))
        if value is None or (column.nullable and random.random() < 0.2):
            return "x" if value is None else None
        place = random.randrange(len(value) + 1)
        other = value[:place] + random.choice((" ", "0", "a", "é")) + value[place:]
        return random.choice((other, value[:place] if place < len(value) else other))

    def edit(self) -> str:
        table, rows = self.table()
        row, column = self.random.choice(rows), self.random.choice(list(table.c))
        value = self.other(column, row[column.name])
        change = sa.update(table).where(self.key(table, row)).values({column: value})
        self.connection.execute(change)
        return f"edit {table.name}.{column.name}: {row[column.name]!r} -> {value!r}"

    def delete(self) -> str:
        table, rows = self.table()
        gone = self.random.sample(rows, min(len(rows), self.random.choice((1, 1, 2, 3))))
        for row in gone:
            self.connection.execute(sa.delete(table).where(self.key(table, row)))
        return f"delete {len(gone)} of {table.name}"

    def insert(self) -> str:
        table, rows = self.table()
        row = dict(self.random.choice(rows))
        if table.name == "audit" and self.random.random() < 0.7:  # as a command would add it
            last = rows[-1]
            row |= {"id": last["id"] + 1, "previous": last["hash"]}
            row["hash"] = audit.Row(**row).proper_hash
        else:
            for column in table.primary_key:
                row[column.name] += self.random.choice((0, 1, 50, 1_000))
            row |= {name: row[name] + "x" for name in ("event_id", "affiliate_id", "code")
                    if isinstance(row.get(name), str)}  # fmt: skip
        self.connection.execute(sa.insert(table).values(row))
        return f"insert into {table.name}: {row}"

    def swap(self) -> str:
        """Two rows of the trail change places, or a value of two other rows."""
        table, rows = self.table()
        if len(rows) < 2:
            return ""
        one, other = self.random.sample(rows, 2)
        key = [column.name for column in table.primary_key]
        names = [name for name in one if name not in key]
        if not names:
            return ""
        names = names if table.name == "audit" else [self.random.choice(names)]
        if all(one[name] == other[name] for name in names):
            return ""
        for row, now in ((one, other), (other, one)):
            values = {name: now[name] for name in names}
            if set(names) & {"event_id", "affiliate_id", "code"}:
                values = {name: f"{value}?" for name, value in values.items()}
            self.connection.execute(sa.update(table).where(self.key(table, row)).values(values))
        return f"swap {names} of two rows of {table.name}"

    def cut(self) -> str:
        """The end of the trail is gone; or, with everything it speaks of, of the book: then with
        the last run, behind which only a head that was noted proves anything."""
        trail = audit.rows(self.connection)
        if self.random.random() < 0.5:
            keep, last = self.random.randrange(len(trail)), ""
        else:
            keep = self.random.randrange(max(row.id for row in trail if row.what == audit.RUN))
            for row in trail[keep:]:
                for name, span in row.spans().items():
                    column = metadata.tables[name].c[KEYS[name]]
                    gone = sa.and_(column >= span.first, column <= span.last)
                    self.connection.execute(sa.delete(metadata.tables[name]).where(gone))
            last = ", and all that they speak of"
        self.connection.execute(sa.delete(BOUND[0]).where(BOUND[0].c.id > keep))
        return f"cut the rows after {keep}{last}"

    def rewrite(self) -> str:
        """A fact is altered and the whole trail sealed anew, with or without the anchors."""
        columns = {
            "event": ("amount_minor", "occurred_us", "event_id"),
            "referral": ("since_us", "reason"),
            "profile": ("name", "email", "country"),
            "affiliate": ("affiliate_id",),
            "currency": ("code",),
        }
        table = metadata.tables[self.random.choice(list(columns))]
        row = self.random.choice(self.rows(table))
        column = table.c[self.random.choice(columns[table.name])]
        value = self.other(column, row[column.name])
        change = sa.update(table).where(self.key(table, row)).values({column: value})
        self.connection.execute(change)
        anchors = self.random.random() < 0.7
        seal(self.connection, anchors=anchors)
        trail = audit.rows(self.connection)
        assert list(audit.broken(trail)) == []
        assert list(audit.unbound(self.connection, trail)) == []
        return f"rewrite after {table.name}.{column.name} -> {value!r}, {anchors=}"


def seal(connection: Connection, *, anchors: bool) -> None:
    """Write the digests, anchors and hashes of the trail as they would be for what is stored."""
    completed = {date_of(run.day).isoformat(): run for run in runs.completed(connection)}
    hash_, anchor = audit.BEFORE_ALL, None
    for row in audit.rows(connection):
        details = row.told()
        for name, span in row.spans().items():
            stored = stored_span(connection, metadata.tables[name], span.first, span.last)
            details["rows"][name] = stored._asdict() if stored else {}
        if row.what == "run" and anchors:
            run = completed[row.subject]
            before = [each for each in completed.values() if each.day < run.day]
            zone = Zone(facts.plan_of(connection, run.plan_version).timezone)
            due = runs.due(connection, before, run.day, run.intake, run.event, zone)
            said = anchored(connection, run, before, due)
            details |= {**said, "anchor": anchor_of(anchor, said)}
            anchor = details["anchor"]
        row = row._replace(details=digests.canonical(details).decode(), previous=hash_)
        row = row._replace(hash=row.proper_hash)
        hash_ = row.hash
        connection.execute(sa.update(BOUND[0]).where(BOUND[0].c.id == row.id).values(row._asdict()))


KINDS: Mapping[str, int] = {
    "edit": 45, "delete": 12, "insert": 10, "swap": 10, "cut": 8, "rewrite": 15,
}  # fmt: skip


def tampers(book: Book, many: int, seed: int) -> Iterator[tuple[str, str, list[str]]]:
    """So many tampers, each of the book as it was: kind, what was done, what is found."""
    random, done = Random(seed), 0
    with book.engine.connect() as connection:
        connection.begin()
        unguarded(connection)
        while done < many:
            kind = random.choices(list(KINDS), list(KINDS.values()))[0]
            point = connection.begin_nested()
            try:
                what = getattr(Tamperer(connection, random), kind)()
            except (sa.exc.DBAPIError, *NONSENSE):
                what = ""  # the database cannot hold it, or it cannot be sealed: another one
            if what:
                done += 1
                yield kind, what, found(connection, book)
            point.rollback()
        assert found(connection, book) == [], "the book is as it was"
        connection.rollback()


@pytest.mark.parametrize(("kind", "share"), [("sqlite", 0.9), ("postgresql", 0.1)])
def test_every_tamper_is_found(
    request: pytest.FixtureRequest, kind: str, share: float, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    url = request.getfixturevalue(f"{kind}_url")
    book = lived(url, tmp_path, monkeypatch, capsys)
    many = max(round(MANY * share), 1)
    print(f"COMMISSION_AUDIT_SEED={SEED}, {many} tampers on {kind}")
    counts: Counter[str] = Counter()
    missed = []
    for how, what, differences in tampers(book, many, SEED):
        counts[how] += 1
        if not differences:
            missed.append(what)
    assert missed == []
    assert many < 90 or set(counts) == set(KINDS), counts


def test_who_and_when_sealed_anew_are_found_by_the_head_that_was_noted(
    sqlite_url: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The manifests do not speak of persons and clocks; the head does, if it is kept outside."""
    book = lived(sqlite_url, tmp_path, monkeypatch, capsys)
    names = ("at", "who", "host", "process", "command")
    for number in (row.id for row in trail(sqlite_url)):
        name = names[number % len(names)]
        with book.engine.connect() as connection:
            connection.begin()
            unguarded(connection)
            change = sa.update(BOUND[0]).where(BOUND[0].c.id == number)
            connection.execute(change.values({name: 7 if name == "process" else "eve"}))
            assert found(connection, book) != []
            seal(connection, anchors=True)
            assert found(connection, book) == []
            assert audit.rows(connection)[-1].hash != book.head
            connection.rollback()


def test_good_books_raise_no_alarm(
    sqlite_books: Fresh, postgresql_books: Fresh, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Each after each of its changes; test_book_worlds.py proves a hundred more."""
    random, looked = Random(SEED), 0
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        with (postgresql_books if number == 4 else sqlite_books)() as url:
            commission = program_in(folder, url, monkeypatch, capsys)
            shop(folder / "in")
            for step, words in enumerate(commands(random, folder)):
                assert commission(*words).code in (0, 3), (number, step, words)
                with reading(connect(url)) as connection:
                    assert found(connection, Book(connect(url), folder / "out", "")) == []
                looked += 1
            assert verify(connect(url), folder / "out").differences == []
    assert looked >= 30


def commands(random: Random, folder: Path) -> list[tuple[Any, ...]]:
    """A few weeks of a shop: its plan and files in some order, runs between them, moves."""
    given, day = folder / "in", 0
    steps: list[tuple[Any, ...]] = [
        ("import", "referrals", given / "referrals.csv"),
        ("import", "earnings", given / "earnings.csv"),
    ]
    random.shuffle(steps)
    steps.insert(random.randrange(3), ("plan", "apply", given / "plan.toml"))
    for n in range(random.randint(1, 3)):
        day += random.randint(1, 9)
        steps.append(("run", "--date", f"2026-03-{day:02}"))
        file = folder / f"more-{n}.csv"
        rows = [f"n{n}-{i},{random.choice('abc')},2026-03-{day + random.randint(0, 2):02},"
                f"{random.randint(1, 9)}.{random.choice(('0', '00', '005'))},USD,"
                for i in range(random.randint(0, 4))]  # fmt: skip
        file.write_text(HEADER + "".join(row + "\n" for row in rows), "utf-8")
        steps.append(("import", "earnings", file))
    steps.append(("run", "--date", "2026-03-31"))
    return steps
