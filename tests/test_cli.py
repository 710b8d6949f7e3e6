"""The other commands, as people call them: import, plan, listings, tree, config."""

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest
from once import once
from program import EARNINGS, HEADER, PLAN, REFERRALS, Program, shop


@pytest.fixture
def settled(commission: Program, tmp_path: Path, database_url: str) -> Program:
    """ann <- bob <- cat, their earnings, two nights."""

    def make() -> None:
        commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
        commission("run", "--date", "2026-03-01")

    once("two nights", database_url, tmp_path, make)
    return commission


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


# -- import


def test_import_counts_every_row_once(commission: Program, tmp_path: Path) -> None:
    """Two of three rows were imported before, one of them says something else now."""
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(HEADER + "e1,bob,2026-01-05,1.00,USD,\ne2,bob,2026-01-05,2.00,USD,\n", "utf-8")
    second.write_text(
        HEADER + "e1,bob,2026-01-05,1.00,USD,\ne2,bob,2026-01-05,9.00,USD,\n"
        "e3,bob,2026-01-05,3.00,USD,\n",
        "utf-8",
    )
    assert commission("import", "earnings", first).code == 0
    done = commission("import", "earnings", second)
    assert (done.code, done.out) == (3, "")
    assert done.err.splitlines() == [
        "earnings: 3 read = 1 accepted + 1 duplicate + 1 rejected",
        "  second.csv:3, column event_id: conflict: e2 is already known with another amount;"
        " the first stands",
        "mend them: commission rejects --mend FILE writes the rows, import that file again",
    ]
    again = commission("import", "earnings", first, second)
    assert again.err.startswith("earnings: 5 read = 0 accepted + 4 duplicate + 1 rejected\n")


def test_a_dry_run_keeps_nothing(commission: Program, tmp_path: Path) -> None:
    file = tmp_path / "earnings.csv"
    file.write_text(EARNINGS + "e9,bob,yesterday,1.00,USD,\n", "utf-8")
    done = commission("import", "earnings", file, "--dry-run", "--json")
    said = json.loads(done.out)
    assert (done.code, said["accepted"], said["rejected"], said["dry_run"]) == (3, 4, 1, True)
    assert said["refused"][0] == {
        "file": "earnings.csv",
        "line": 6,
        "column": "occurred_at",
        "code": "bad_timestamp",
        "text": "yesterday",
        "message": said["refused"][0]["message"],
    }
    assert commission("rejects", "--json").out == "[]\n"
    assert json.loads(commission("import", "earnings", file, "--json").out)["accepted"] == 4


def test_refused_rows_are_mended_and_imported(commission: Program, tmp_path: Path) -> None:
    file = tmp_path / "earnings.csv"
    file.write_text(
        "note,currency,amount,occurred_at,affiliate_id,event_id\n"
        'a,USD,1.00,2026-01-05,bob,e1\n"b, c",USD,"1,00",2026-01-05,bob,e2\n',
        "utf-8",
    )
    commission("import", "earnings", file)
    mended = tmp_path / "mended.csv"
    done = commission("rejects", "--mend", mended)
    assert done.err.splitlines() == [
        f"1 row in {mended}; mend there, then:",
        f"commission import earnings {mended}",
    ]
    assert mended.read_text("utf-8") == (
        "note,currency,amount,occurred_at,affiliate_id,event_id\n"
        '"b, c",USD,"1,00",2026-01-05,bob,e2\n'
    )
    assert commission("rejects", "--mend", mended).code == 2
    mended.write_text(mended.read_text("utf-8").replace('"1,00"', "1.00"), "utf-8")
    assert commission("import", "earnings", mended).code == 0


def test_rows_of_different_files_are_not_mended_together(
    commission: Program, tmp_path: Path
) -> None:
    (tmp_path / "earnings.csv").write_text(HEADER + "e1,bob,2026-01-05,x,USD,\n", "utf-8")
    (tmp_path / "referrals.csv").write_text("affiliate_id,referrer_id\nbob,bob\n", "utf-8")
    commission("import", "earnings", tmp_path / "earnings.csv")
    commission("import", "referrals", tmp_path / "referrals.csv")
    done = commission("rejects", "--mend", tmp_path / "all.csv")
    assert (done.code, done.err) == (
        2,
        "error: these rows come from files with different columns\n"
        "Choose with --kind, --file or --code those that belong into one file.\n",
    )
    assert commission("rejects", "--kind", "referrals", "--mend", tmp_path / "r.csv").code == 0
    assert commission("rejects", "--code", "cycle", "--mend", tmp_path / "c.csv").code == 2


def test_parquet_is_read_as_well(commission: Program, tmp_path: Path) -> None:
    table = pl.read_csv(io.StringIO(EARNINGS), infer_schema=False)
    table.write_parquet(tmp_path / "earnings.parquet")
    done = commission("import", "earnings", tmp_path / "earnings.parquet")
    assert done.err == "earnings: 4 read = 4 accepted + 0 duplicate + 0 rejected\n"
    csv_file = tmp_path / "earnings.csv"
    csv_file.write_text(EARNINGS, "utf-8")
    assert "0 accepted + 4 duplicate" in commission("import", "earnings", csv_file).err


def test_affiliates_change_by_importing_them_again(commission: Program, tmp_path: Path) -> None:
    """bob is suspended, then active again: what he earned meanwhile is paid then."""
    folder = shop(tmp_path / "in")
    people = tmp_path / "people.csv"
    people.write_text("affiliate_id,name,status\nann,Ann,suspended\n", "utf-8")
    assert commission("import", "affiliates", people).code == 0
    commission("run", folder, "--date", "2026-02-28")
    held = rows(commission("statements", "--affiliate", "ann", "--csv").out)[0]
    assert (held["paid"], held["available"], held["closing"]) == ("0.00", "90.00", "90.00")
    people.write_text("affiliate_id,status\nann,active\n", "utf-8")
    assert commission("import", "affiliates", people).err.startswith("affiliates: 1 read = 1 acc")
    commission("run", "--date", "2026-03-01")
    paid = rows(commission("payouts", "--affiliate", "ann", "--csv").out)
    assert [(each["created_on"], each["amount"]) for each in paid] == [("2026-03-01", "90.00")]


# -- plan


def test_a_plan_is_checked_applied_and_shown(commission: Program, tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(PLAN, "utf-8")
    assert commission("plan", "check", file).err.startswith(f"{file}: a good plan: acme, 1 terms")
    assert "dry run: the plan can be applied" in commission("plan", "apply", file, "--dry-run").err
    assert commission("plan", "show").code == 2
    assert commission("plan", "apply", file).err == "applied: acme\n"
    assert "already; nothing was changed" in commission("plan", "apply", file).err
    assert json.loads(commission("plan", "apply", file, "--json").out)["changed"] is False
    shown = commission("plan", "show").out
    assert "50.00 USD per order; 100.00 USD per month" in shown
    assert "20%" in shown
    both = (
        commission("plan", "show", "--json").out,
        commission("plan", "show", file, "--json").out,
    )
    assert both[0] == both[1]


def test_a_wrong_plan_is_refused_whole(commission: Program, tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(PLAN.replace('"10%"\n', '"35%"\n').replace("hold_days", "hold_day"), "utf-8")
    done = commission("plan", "apply", file)
    assert done.code == 2
    assert done.err.splitlines() == [
        "error: plan.toml:11: terms[1].hold_day: is not a key of a plan here;"
        " did you mean 'hold_days'?",
        "plan.toml:25: terms[1].level[2].rate: 35% is outside rate_bounds 10% to 20%",
        "Mend the file; nothing was applied.",
    ]
    assert commission("plan", "show").code == 2


# -- listings


def test_lines_by_every_filter(settled: Program) -> None:
    def ids(*words: str) -> list[str]:
        return [row["line_id"] for row in json.loads(settled("lines", "--json", *words).out)]

    assert ids() == ["e1.1", "e2.1", "e3.1", "e3.2", "r1.1"]
    assert ids("--affiliate", "bob") == ["e3.1"]
    assert ids("--earner", "bob") == ["e1.1", "e2.1", "r1.1"]
    assert ids("--event", "e3") == ["e3.1", "e3.2"]
    assert ids("--order", "r1") == ["e1.1", "r1.1"]
    assert ids("--level", "2") == ["e3.2"]
    assert ids("--reason", "order") == ["e1.1", "r1.1"]
    assert ids("--currency", "EUR") == []
    assert ids("--date", "2026-03-01") == []
    assert ids("--from", "2026-02-28", "--to", "2026-02-28") == ids()
    assert settled("lines", "--affiliate", "nobody").code == 2


def test_listings_as_csv_json_and_table(settled: Program, tmp_path: Path) -> None:
    published = (tmp_path / "out" / "2026-02-28" / "lines.csv").read_text("utf-8")
    assert settled("lines", "--csv").out == published
    assert json.loads(settled("payouts", "--json").out)[0]["amount"] == "90.00"
    table = settled("lines", "--limit", "2")
    assert len(table.out.splitlines()) == 3
    assert table.err == "2 of 5 lines; --limit 0 shows all, --csv writes all\n"
    assert settled("lines", "--event", "none").err == "no lines\n"
    assert settled("lines", "--json", "--csv").code == 2
    assert settled("statements", "--date", "2026-02-28", "--from", "2026-02-01").code == 2


def test_balances_split_into_held_and_available(commission: Program, tmp_path: Path) -> None:
    """Held for two days: on the 6th e1 is held, on the 7th it is available but paid out."""
    earnings = HEADER + "e1,bob,2026-01-05,10.00,USD,\n"
    commission("run", shop(tmp_path / "in", earnings), "--date", "2026-01-06")
    assert rows(commission("balances", "--csv").out) == [
        {
            "affiliate_id": "ann",
            "currency": "USD",
            "held": "2.00",
            "available": "0.00",
            "balance": "2.00",
        }
    ]
    commission("run", "--date", "2026-01-07")
    owed = rows(commission("balances", "--csv").out)[0]
    assert (owed["held"], owed["available"]) == ("0.00", "2.00")
    assert rows(commission("balances", "--as-of", "2026-01-06", "--csv").out)[0]["held"] == "2.00"
    assert commission("balances", "--affiliate", "bob", "--csv").out.count("\n") == 1


def test_runs_and_attempts(settled: Program) -> None:
    assert [each["run_date"] for each in json.loads(settled("runs", "--json").out)] == [
        "2026-02-28",
        "2026-03-01",
    ]
    assert [
        each["outcome"] for each in json.loads(settled("runs", "--attempts", "--json").out)
    ] == [
        "completed",
        "completed",
    ]


# -- tree


def test_a_branch_is_shown_and_exported(settled: Program) -> None:
    assert settled("tree", "show").out == (
        "ann (1 direct, 2 in all)\n└── bob (1 direct, 1 in all)\n    └── cat\n"
    )
    assert settled("tree", "show", "bob", "--depth", "0").out == "bob (1 direct, 1 in all)\n"
    assert settled("tree", "show", "eve").code == 2
    assert json.loads(settled("tree", "show", "bob", "--json").out)[1]["referrer_id"] == "bob"
    assert settled("tree", "export", "bob", "--format", "mermaid").out == (
        'flowchart TD\n    n1["bob"]\n    n2["cat"]\n    n1 --> n2\n'
    )
    assert "<graphml" in settled("tree", "export").out
    assert settled("tree", "export", "--format", "text").out.startswith("ann")
    assert json.loads(settled("tree", "check", "--json").out)["deepest_level"] == 2


def test_a_move_never_changes_a_written_line(settled: Program, tmp_path: Path) -> None:
    """cat moves from bob to ann; her order e3 is refunded after that."""
    before = settled("lines", "--json").out
    move = ["tree", "move", "cat", "--to", "ann", "--since", "2026-01-15", "--reason", "asked for"]
    assert settled(*move, "--dry-run").err.startswith("dry run: cat: from bob to ann since")
    assert settled("tree", "show", "ann").out.count("\n") == 3
    assert settled(*move).code == 0
    again = settled(*move)
    assert (again.code, again.err) == (0, "cat has moved so already; nothing was changed\n")
    assert settled("tree", "show", "--at", "2026-01-14").out.count("    └── cat") == 1
    assert settled("tree", "show").out.count("    └── cat") == 0
    refund = tmp_path / "refund.csv"
    refund.write_text(
        HEADER + "r3,cat,2026-03-02,-100.00,USD,e3\ne4,cat,2026-03-02,10.00,USD,\n", "utf-8"
    )
    settled("import", "earnings", refund)
    settled("run", "--date", "2026-03-02")
    after = json.loads(settled("lines", "--json").out)
    assert after[:5] == json.loads(before)
    assert [(row["line_id"], row["beneficiary_id"], row["commission"]) for row in after[5:]] == [
        ("e4.1", "ann", "2.00"),
        ("r3.1", "bob", "-20.00"),
        ("r3.2", "ann", "-10.00"),
    ]
    assert settled("verify").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cat", "--to", "eve"], "there is no affiliate 'eve'"),
        (["eve", "--to", "ann"], "there is no affiliate 'eve'"),
        (["cat"], "a move needs either --to or --to-root"),
        (["ann", "--to", "cat"], "nobody can be above himself"),
        (["cat", "--to", "bob"], "the referrer of cat is bob already"),
    ],
)
def test_moves_that_are_refused(settled: Program, words: list[str], said: str) -> None:
    done = settled("tree", "move", *words, "--since", "2026-03-01", "--reason", "why not")
    assert (done.code, said in done.err) == (2, True)


def test_a_move_needs_a_reason_and_an_instant(settled: Program) -> None:
    move = ["tree", "move", "cat", "--to", "ann"]
    assert settled(*move, "--since", "2026-03-01", "--reason", " ").code == 2
    done = settled(*move, "--since", "soon", "--reason", "x")
    assert done.err.startswith("error: --since: 'soon' is not an instant")


def test_without_a_referrer_from_then_on(settled: Program) -> None:
    words = ["cat", "--to-root", "--since", "2026-03-01", "--reason", "left"]
    assert "cat: from bob to nobody" in settled("tree", "move", *words).err
    assert json.loads(settled("tree", "check", "--json").out)["roots"] == 2


# -- config and the program itself


def test_config_says_where_values_come_from(
    commission: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_DOCUMENTS", "all")
    said = json.loads(commission("config", "show", "--json").out)
    assert said["documents"] == {"value": "all", "from": "COMMISSION_DOCUMENTS"}
    assert said["out"] == {"value": "out", "from": "default"}
    assert commission("config", "check").code == 0
    monkeypatch.setenv("COMMISSION_DOKUMENTS", "all")
    done = commission("config", "check")
    assert done.code == 2
    assert "COMMISSION_DOKUMENTS is no setting; did you mean COMMISSION_DOCUMENTS?" in done.err
    monkeypatch.setenv("COMMISSION_DOCUMENTS", "some")
    assert commission("config", "show").code == 2


def test_a_password_is_not_shown(commission: Program) -> None:
    for url in (
        "postgresql://ann:secret@localhost/book",
        "postgresql://localhost/book?user=ann&password=secret",
    ):
        for words in ([], ["--json"]):
            said = commission("config", "show", "--database", url, *words).out
            assert ("localhost/book" in said, "secret" in said) == (True, False)


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("nonsense", 2, "is not a database URL"),
        ("mysql://localhost/x", 2, "mysql is not a database that a book can be kept in"),
        ("sqlite://", 2, "a book in memory would be gone"),
        ("sqlite:///in/plan.toml", 1, "file is not a database"),
        ("sqlite:////nowhere/at/all.db", 1, "unable to open database file"),
        ("postgresql://127.0.0.1:1/x", 75, "127.0.0.1"),
    ],
)
def test_a_book_that_cannot_be_opened(
    commission: Program, tmp_path: Path, url: str, code: int, said: str
) -> None:
    shop(tmp_path / "in")
    done = commission("runs", "--database", url)
    assert (done.code, said in done.err) == (code, True)


def test_refused_rows_of_one_run(commission: Program, tmp_path: Path) -> None:
    folder = shop(tmp_path / "in", EARNINGS + "e9,bob,soon,1.00,USD,\n")
    commission("run", folder, "--date", "2026-02-28")
    (folder / "earnings.csv").write_text(EARNINGS + "e8,bob,late,1.00,USD,\n", "utf-8")
    commission("run", folder, "--date", "2026-03-01")
    texts = [
        [row["text"] for row in json.loads(commission("rejects", *words, "--json").out)]
        for words in ([], ["--date", "2026-02-28"], ["--date", "2026-03-01"])
    ]
    assert texts == [["late", "soon"], ["soon"], ["late"]]
    assert commission("rejects", "--date", "2026-03-02").code == 2
    assert commission("rejects", "--kind", "foo").code == 2


def test_a_row_that_is_no_text_is_mended_as_it_was(commission: Program, tmp_path: Path) -> None:
    """Neither the bad byte nor the NUL becomes part of an id that nobody has."""
    file, mended = tmp_path / "e.csv", tmp_path / "m.csv"
    content = (
        HEADER.encode() + b"inv\xff,bob,2026-01-05,1.00,USD,\nnul\x00,bob,2026-01-05,1.00,USD,\n"
    )
    file.write_bytes(content)
    assert commission("import", "earnings", file).code == 3
    commission("rejects", "--mend", mended)
    assert mended.read_bytes() == content
    assert "2 read = 0 accepted" in commission("import", "earnings", mended).err
    assert '"inv\\\\xff,bob' in commission("rejects", "--json").out


def test_files_of_one_name_are_told_apart(commission: Program, tmp_path: Path) -> None:
    """a/e.csv and b/e.csv have their columns in another order."""
    for folder, header, row in (
        ("a", "event_id,affiliate_id,occurred_at,amount,currency", "e1,bob,2026-01-01,1.000,USD"),
        ("b", "affiliate_id,event_id,amount,currency,occurred_at", "bob,e2,x,USD,2026-01-01"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "e.csv").write_text(f"{header}\n{row}\n", "utf-8")
    commission("import", "earnings", tmp_path / "a" / "e.csv", tmp_path / "b" / "e.csv")
    assert commission("rejects", "--mend", tmp_path / "both.csv").code == 2
    commission("rejects", "--file", "a/e.csv", "--mend", tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "a" / "e.csv").read_bytes()


def test_a_mended_file_cannot_be_written(commission: Program, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(HEADER + "e1,bob,soon,1.00,USD,\n", "utf-8")
    commission("import", "earnings", tmp_path / "e.csv")
    done = commission("rejects", "--mend", tmp_path / "nowhere" / "m.csv")
    assert (done.code, "cannot be written: No such file or directory" in done.err) == (2, True)


def test_help_and_version(commission: Program) -> None:
    assert "Safe to repeat." in commission("run", "--help").out
    assert commission("--version").out == "0.1.0\n"
    assert commission("walk").code == 2


def test_referrals_that_break_the_forest(commission: Program, tmp_path: Path) -> None:
    file = tmp_path / "referrals.csv"
    file.write_text(REFERRALS + "ann,cat\n", "utf-8")
    done = commission("import", "referrals", file)
    assert done.err.splitlines()[0] == "referrals: 3 read = 0 accepted + 0 duplicate + 3 rejected"
    assert {each["code"] for each in json.loads(commission("rejects", "--json").out)} == {"cycle"}
