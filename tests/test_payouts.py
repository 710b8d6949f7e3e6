"""Payouts from pending to paid: who may do what, what a repeated command does, where money goes."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from once import once
from program import HEADER, Done, Program, shop
from sqlalchemy.exc import DBAPIError
from test_crash import trials
from test_verify import change

from commission_engine.book import payouts as book
from commission_engine.book.connect import connect, reading, writing
from commission_engine.book.schema_people import payout_step
from commission_engine.identity import Identity, told
from commission_engine.ledger.life import LEGAL, State

PLAN = """\
name = "acme"
[payout]
minimum = { USD = "10.00" }
[[terms]]
from = 2026-01-01
[[terms.level]]
level = 1
rate = "100%"
"""
PEOPLE = 'affiliate_id,name,status\nann,Ann,active\nbob,"=Bob, Jr",active\ncat,Cat,active\n'

Night = Callable[..., Done]


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh migrated book, in SQLite where a test does not ask for more."""
    url: str = request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url")
    return url


BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def acme(commission: Program, tmp_path: Path) -> Night:
    """A night: of ann's referral bob, bob's cat, cat's dan, who earn; the referrer gets it all."""
    folder = shop(tmp_path / "in", HEADER, PLAN)
    (folder / "earnings.csv").unlink()
    (folder / "referrals.csv").write_text("affiliate_id,referrer_id\nbob,ann\ncat,bob\ndan,cat\n")
    (folder / "affiliates.csv").write_text(PEOPLE)
    serial = iter(range(10_000))

    def night(date: str, *earned: tuple[str, ...], options: tuple[str, ...] = ()) -> Done:
        rows = "".join(
            f"e{date[8:]}{next(serial)},{who},{date}T10:00:00Z,{amount},{(*code, 'USD')[0]},\n"
            for who, amount, *code in earned
        )
        (folder / "earnings.csv").write_text(HEADER + rows, "utf-8")
        done = commission("run", folder, "--date", date, *options)
        assert done.code == 0, done.err
        for name in ("plan.toml", "affiliates.csv", "referrals.csv"):
            (folder / name).unlink(missing_ok=True)
        return done

    return night


@pytest.fixture
def three(acme: Night, tmp_path: Path, database_url: str) -> None:
    """ann 25.00, bob 12.50, cat 10.00 of 2026-01-05."""
    earned = (("bob", "25.00"), ("cat", "12.50"), ("dan", "10.00"))
    once("a payday", database_url, tmp_path, lambda: acme("2026-01-05", *earned))


def listed(commission: Program, *words: str) -> list[str]:
    rows = json.loads(commission("payouts", "--json", *words).out)
    return [f"{r['created_on'][-2:]} {r['affiliate_id']} {r['amount']} {r['status']}" for r in rows]


def ids(commission: Program, *whose: str) -> list[str]:
    rows = json.loads(commission("payouts", "--json").out)
    return [row["payout_id"] for row in rows if row["affiliate_id"] in whose]


def said(commission: Program, *words: Any) -> dict[str, Any]:
    done = commission(*words, "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def refused(commission: Program, *words: Any) -> str:
    done = commission(*words)
    assert (done.code, done.out) == (2, "")
    return done.err.splitlines()[0].removeprefix("error: ")


def agrees(commission: Program) -> bool:
    done = commission("verify")
    assert done.err == ""
    return done.code == 0


def paid_in(folder: Path) -> list[str]:
    """The payouts in all files to pay, sorted."""
    return sorted(
        row["payout_id"]
        for path in folder.glob("payments-*.csv")
        for row in csv.DictReader(path.read_text("utf-8").splitlines())
    )


# --- the whole way --------------------------------------------------------------------------------


@BOTH
def test_a_payout_is_approved_exported_and_paid(
    commission: Program, three: None, tmp_path: Path
) -> None:
    looked = said(commission, "payouts", "approve", "--dry-run")
    assert looked["totals"] == {"USD": "47.50"}
    assert listed(commission, "--status", "pending") == [
        "05 ann 25.00 pending", "05 bob 12.50 pending", "05 cat 10.00 pending",
    ]  # fmt: skip
    done = commission("payouts", "approve", "--hash", looked["batch"][:16])
    assert done.err.splitlines() == [
        "USD: 3 payouts, 47.50",
        f"approved as batch {looked['batch'][:16]}; next: commission payouts export",
    ]
    (file,) = said(commission, "payouts", "export")["files"]
    path = tmp_path / "out" / "payments" / f"payments-{looked['batch'][:16]}.csv"
    assert (file["file"], file["came"], file["totals"]) == (str(path), "written", {"USD": "47.50"})
    ann, bob, cat = ids(commission, "ann", "bob", "cat")
    statement = "st-20260105-iie3s8fesbmles8j"
    assert path.read_text("utf-8").splitlines()[:3] == [
        "payout_id,affiliate_id,currency,amount,name,statement_id,batch",
        f"{ann},ann,USD,25.00,Ann,{statement},{looked['batch'][:16]}",
        f'{bob},bob,USD,12.50,"\'=Bob, Jr",st-20260105-3kcde6q5dgk8ta8o,{looked["batch"][:16]}',
    ]
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    said(commission, "payouts", "mark", "paid", ann, "--reference", "B-17")
    said(commission, "payouts", "mark", "failed", bob, "--reason", "account closed")
    assert listed(commission) == [
        "05 ann 25.00 paid", "05 bob 12.50 failed", "05 cat 10.00 exported",
    ]  # fmt: skip
    assert commission("payouts").err.splitlines() == [
        "USD: 3 payouts, 47.50 (exported 10.00, paid 25.00, failed 12.50)"
    ]
    assert agrees(commission)
    assert cat


def test_every_command_repeated_does_nothing_more(commission: Program, three: None) -> None:
    batch = said(commission, "payouts", "approve")["batch"]
    ann, bob, cat = ids(commission, "ann", "bob", "cat")
    for hashed, already in (
        (["--hash", batch], "3 payouts approved already; nothing was changed"),
        ([], "no payout waits for approval; nothing was changed"),
    ):
        done = commission("payouts", "approve", *hashed)
        assert (done.code, done.err.splitlines()) == (0, [already])
    commission("payouts", "reject", cat, "--reason", "a mistake")
    commission("payouts", "approve")
    assert commission("payouts", "export").code == 0
    assert commission("payouts", "export").err.splitlines() == ["nothing to export"]
    commission("payouts", "mark", "paid", ann)
    commission("payouts", "mark", "failed", bob, "--reason", "unknown account")
    rows = len(json.loads(commission("audit", "--json").out))
    repeated: list[tuple[str, ...]] = [
        ("approve", ann),
        ("reject", cat, "--reason", "already more"),
        ("mark", "paid", ann),
        ("mark", "failed", bob, "--reason", "already more"),
    ]
    for words in repeated:
        done = commission("payouts", *words)
        assert done.code == 0
        assert "1 payout" in done.err
        assert done.err.endswith("already; nothing was changed\n")
    assert len(json.loads(commission("audit", "--json").out)) == rows
    assert agrees(commission)


@BOTH
def test_money_of_a_payout_that_is_voided_or_fails_comes_back_once(
    commission: Program, acme: Night, three: None, tmp_path: Path
) -> None:
    """ann's is rejected, bob's fails; the next night books both back and pays them anew."""
    ann, bob, _ = ids(commission, "ann", "bob", "cat")
    commission("payouts", "reject", ann, "--reason", "under review")
    commission("payouts", "approve")
    commission("payouts", "export")
    commission("payouts", "mark", "failed", bob, "--reason", "account closed")
    acme("2026-01-06", ("cat", "1.00"))
    assert listed(commission)[3:] == ["06 ann 25.00 pending", "06 bob 13.50 pending"]
    journal = (tmp_path / "out/2026-01-06/journal.csv").read_text().splitlines()
    assert [line for line in journal if ":returned:" in line] == [
        f"run:2026-01-06:returned:ann:USD,2026-01-06,payout_clearing,ann,USD,25.00,0.00,{ann}",
        f"run:2026-01-06:returned:ann:USD,2026-01-06,affiliate_payable,ann,USD,0.00,25.00,{ann}",
        f"run:2026-01-06:returned:bob:USD,2026-01-06,payout_clearing,bob,USD,12.50,0.00,{bob}",
        f"run:2026-01-06:returned:bob:USD,2026-01-06,affiliate_payable,bob,USD,0.00,12.50,{bob}",
    ]
    statements = (tmp_path / "out/2026-01-06/statements.csv").read_text().splitlines()
    assert [line.split(",", 3)[3] for line in statements[1:]] == [
        "ann,USD,0.00,0.00,0.00,25.00,25.00,0.00,0.00,0.00",
        "bob,USD,0.00,1.00,0.00,12.50,13.50,0.00,0.00,0.00",
    ]
    documents = sorted((tmp_path / "out/2026-01-06/statements").iterdir())
    came_back = [line.split(",", 1)[1] for path in documents for line in
                 path.read_text().splitlines() if ",returned," in line]  # fmt: skip
    assert sorted(came_back) == [
        f"USD,returned,2026-01-06,,,,,,,12.50,13.50,2026-01-06,payout {bob} was not paid: it is in"
        " the balance again",
        f"USD,returned,2026-01-06,,,,,,,25.00,25.00,2026-01-06,payout {ann} was not paid: it is in"
        " the balance again",
    ]
    totals = json.loads((tmp_path / "out/2026-01-06/manifest.json").read_text())["totals"]["USD"]
    assert (totals["returned"], totals["booked"]) == ("37.50", "1.00")
    first = json.loads((tmp_path / "out/2026-01-05/manifest.json").read_text())["totals"]["USD"]
    assert "returned" not in first
    acme("2026-01-07")
    assert len(listed(commission)) == 5
    assert agrees(commission)
    assert commission("replay", "--all").code == 0


def test_a_returned_payout_waits_for_the_settlement_and_several_come_back_together(
    commission: Program, tmp_path: Path
) -> None:
    """Weekly; ann's two payouts of two weeks fail in the third, on different days."""
    folder = shop(tmp_path / "in", HEADER, PLAN.replace("[payout]", '[payout]\nevery = "week"'))
    sundays = ("2026-01-04", "2026-01-11", "2026-01-18")
    for n, date in enumerate(sundays[:2]):
        row = f"e{n},bob,{date}T10:00:00Z,20.00,USD,\n"
        (folder / "earnings.csv").write_text(HEADER + row)
        commission("run", folder, "--date", date)
    commission("payouts", "approve")
    commission("payouts", "export")
    one, two = ids(commission, "ann")
    commission("payouts", "mark", "failed", one, two, "--reason", "no such account")
    assert commission("run", "--date", "2026-01-13").code == 0
    balance = json.loads(commission("balances", "--json").out)
    assert [(row["affiliate_id"], row["available"]) for row in balance] == [("ann", "40.00")]
    journal = (tmp_path / "out/2026-01-13/journal.csv").read_text().splitlines()
    assert {line.rpartition(",")[2] for line in journal[1:]} == {"+".join(sorted((one, two)))}
    assert commission("run", "--date", sundays[2]).code == 0
    assert listed(commission, "--date", sundays[2]) == ["18 ann 40.00 pending"]
    (document,) = (tmp_path / "out" / sundays[2] / "statements").iterdir()
    rows = [line.split(",")[2:4] for line in document.read_text().splitlines()]
    assert rows.count(["returned", "2026-01-13"]) == 2
    words = commission("explain", ids(commission, "ann")[2]).out
    assert f"Payout {one} came back on 2026-01-13: 20.00." in words
    assert "This does NOT agree" not in words
    assert agrees(commission)


def test_what_was_paid_can_come_back_from_the_bank(
    commission: Program, acme: Night, three: None
) -> None:
    (ann,) = ids(commission, "ann")
    commission("payouts", "approve")
    batch = said(commission, "payouts", "export")["files"][0]["batch"]
    commission("payouts", "mark", "paid", "--batch", batch[:16])
    assert set(listed(commission)) == {
        "05 ann 25.00 paid",
        "05 bob 12.50 paid",
        "05 cat 10.00 paid",
    }
    assert refused(commission, "payouts", "mark", "failed", ann, "--reason", "x") == (
        f"payout {ann} is paid and cannot become failed"
    )
    commission("payouts", "mark", "failed", ann, "--returned", "--reason", "sent back")
    assert refused(commission, "payouts", "mark", "paid", ann) == (
        f"payout {ann} is failed and cannot become paid"
    )
    acme("2026-01-06")
    assert listed(commission)[3:] == ["06 ann 25.00 pending"]
    assert agrees(commission)


# --- batches --------------------------------------------------------------------------------------


def test_a_changed_batch_needs_a_new_approval(commission: Program, three: None) -> None:
    commission("payouts", "approve")
    done = commission("payouts", "reject", *ids(commission, "bob"), "--reason", "wrong account")
    assert done.err.splitlines() == [
        "USD: 1 payout, 12.50",
        "the approval of 2 other payouts of the same batch is gone with it",
        "voided; the next run books it back",
    ]
    assert listed(commission) == [
        "05 ann 25.00 pending", "05 bob 12.50 voided", "05 cat 10.00 pending",
    ]  # fmt: skip
    assert commission("payouts", "export").err.splitlines() == ["nothing to export"]
    assert agrees(commission)


@pytest.mark.parametrize("meanwhile", ["rejected", "renamed", "suspended"])
def test_an_approval_is_of_what_was_looked_at(
    commission: Program, three: None, tmp_path: Path, meanwhile: str
) -> None:
    looked = said(commission, "payouts", "approve", "--dry-run")["batch"]
    if meanwhile == "rejected":
        commission("payouts", "reject", *ids(commission, "bob"), "--reason", "wrong account")
    else:
        row = "cat,Cat,suspended" if meanwhile == "suspended" else "cat,Tom,active"
        (tmp_path / "new.csv").write_text(f"affiliate_id,name,status\n{row}\n")
        assert commission("import", "affiliates", tmp_path / "new.csv").code == 0
    found = refused(commission, "payouts", "approve", "--hash", looked)
    assert found.startswith(
        f"what would be approved is not what was looked at as {looked[:16]}: now it is "
    )
    assert "approved" not in str(listed(commission))


def test_an_approval_can_be_taken_back(commission: Program, three: None) -> None:
    batch = said(commission, "payouts", "approve", "--affiliate", "ann")["batch"]
    assert listed(commission, "--status", "approved") == ["05 ann 25.00 approved"]
    assert commission("payouts", "withdraw", batch[:16], "--reason", "too early").code == 0
    assert listed(commission, "--status", "approved") == []
    assert said(commission, "payouts", "approve", "--affiliate", "ann")["batch"] == batch
    (file,) = said(commission, "payouts", "export", "--batch", batch)["files"]
    assert file["payouts"] == 1
    done = commission("payouts", "withdraw", batch[:16], "--reason", "too late")
    assert done.err.splitlines() == [
        "nothing of this batch is approved and not exported; nothing was changed"
    ]
    assert agrees(commission)


def test_filters_choose_what_is_approved(commission: Program, acme: Night, three: None) -> None:
    acme("2026-01-06", ("bob", "30.00"), ("bob", "900", "JPY"))

    def chosen(*words: str) -> list[str]:
        found = said(commission, "payouts", "approve", "--dry-run", *words)["payouts"]
        return [f"{row['affiliate_id']} {row['amount']}" for row in found]

    assert chosen("--date", "2026-01-06") == ["ann 900", "ann 30.00"]
    assert chosen("--currency", "USD", "--up-to", "12.50") == ["bob 12.50", "cat 10.00"]
    assert chosen("--affiliate", "ann", "--currency", "JPY") == ["ann 900"]
    assert chosen(*ids(commission, "cat")) == ["cat 10.00"]
    for words, error in (
        (("--up-to", "10"), "--up-to is an amount in one currency"),
        (("--up-to", "1,0", "--currency", "USD"), "--up-to: '1,0' is not an amount"),
        (("--affiliate", "eve"), "there is no affiliate 'eve'"),
        (("po-20260105-0000000000000000",), "there is no payout 'po-20260105-0000000000000000'"),
        (("--hash", "abc"), "--hash: 'abc' is not a content hash"),
    ):
        assert refused(commission, "payouts", "approve", *words) == error
    assert refused(commission, "payouts", "--date", "2026-01-06", "approve") == (
        "options before approve"
    )


def test_reject_wants_a_reason_and_something_to_reject(commission: Program, three: None) -> None:
    assert refused(commission, "payouts", "reject", "--affiliate", "ann") == "--reason is empty"
    assert refused(commission, "payouts", "reject", "--reason", "x") == (
        "reject needs payouts by id, or a filter such as --date"
    )
    commission("payouts", "approve")
    commission("payouts", "export")
    (ann,) = ids(commission, "ann")
    assert refused(commission, "payouts", "reject", ann, "--reason", "x") == (
        f"payout {ann} is exported and cannot be rejected"
    )
    done = commission("payouts", "reject", "--affiliate", "ann", "--reason", "x")
    assert (done.code, done.err) == (0, "no such payout can be rejected; nothing was changed\n")
    assert refused(commission, "payouts", "mark", "paid") == "mark needs payouts by id, or --batch"


@BOTH
def test_a_suspended_affiliate_is_held_back(
    commission: Program, three: None, tmp_path: Path
) -> None:
    batch = said(commission, "payouts", "approve")["batch"]
    people = tmp_path / "people.csv"
    for status in ("suspended", "active"):
        people.write_text(f"affiliate_id,name,status\nbob,Robert,{status}\n")
        commission("import", "affiliates", people)
        done = said(commission, "payouts", "export")
        held = [(row["affiliate_id"], row["affiliate_status"]) for row in done["held"]]
        assert held == ([("bob", "suspended")] if status == "suspended" else [])
    folder = tmp_path / "out/payments"
    names = [f"payments-{batch[:16]}{more}.csv" for more in ("", "-2")]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert "Jr" in (folder / names[1]).read_text()  # what was approved, not today's name
    assert paid_in(folder) == sorted(ids(commission, "ann", "bob", "cat"))
    assert agrees(commission)


# --- who ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("maker", "checker", "same"),
    [
        ("ops@a", "ops@b", True),
        ("ops@a", "eve@a", False),
        ("Ops@a", "ops@a", True),
        ("ann (as given by ops@a)", "eve (as given by ops@a)", False),
        ("ann (as given by ops@a)", "ops@a", True),  # one of the two is the account itself
        ("ops@a", "eve (as given by ops@a)", True),
        ("ann (as given by ops@a)", "ann (as given by eve@a)", True),
        ("ann@a", "ann (as given by eve@b)", True),
        ("ann@mail (as given by ops@a)", "ann@mail (as given by eve@a)", True),
        ("uid 7@a", "uid 8@a", False),
    ],
)
def test_who_can_be_one_person(maker: str, checker: str, same: bool) -> None:
    assert Identity.of(checker).same_person(Identity.of(maker)) is same
    assert Identity.of(maker).same_person(Identity.of(checker)) is same


def test_a_given_name_stands_beside_the_account() -> None:
    assert told("", "ops@a") == "ops@a"
    assert told("ann", "ops@a") == "ann (as given by ops@a)"
    for wrong in ("eve (as given by eve@a)", "a\nb", " ann", "x" * 65):
        with pytest.raises(ValueError, match="is not a name"):
            told(wrong, "ops@a")


def test_with_two_persons_the_maker_is_not_the_checker(
    commission: Program, acme: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_PAYOUTS_APPROVAL", "two-person")
    acme("2026-01-05", ("bob", "25.00"), options=("--as", "mary"))
    looked = said(commission, "payouts", "approve", "--dry-run", "--as", "carl")["batch"]
    how = ("payouts", "approve", "--hash", looked)
    mine = refused(commission, *how, "--as", "mary")
    assert mine.startswith("mary ran the night of 2026-01-05 (as mary (as given by ")
    assert "so somebody else has to approve" in mine
    assert refused(commission, *how).endswith("so somebody else has to approve its payouts")
    assert refused(commission, "payouts", "approve", "--as", "carl") == (
        "with two persons an approval needs --hash: what you have looked at"
    )
    assert commission(*how, "--as", "carl").code == 0
    last = json.loads(commission("audit", "--json").out)[-1]
    assert (last["what"], last["who"].partition("@")[0].partition(" (")[0]) == (
        "approve payouts", "carl",
    )  # fmt: skip
    assert " (as given by " in last["who"]
    assert said(commission, "payouts", "export")["files"][0]["came"] == "written"


def test_an_approval_of_one_does_not_do_where_two_are_wanted(
    commission: Program, three: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = said(commission, "payouts", "approve")["batch"]
    monkeypatch.setenv("COMMISSION_PAYOUTS_APPROVAL", "two-person")
    assert refused(commission, "payouts", "export").startswith(
        f"batch {batch[:16]} was approved by "
    )
    assert "exported" not in str(listed(commission))


def test_an_approval_by_three_cannot_be_set(
    commission: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_PAYOUTS_APPROVAL", "three")
    assert refused(commission, "payouts", "approve") == (
        "COMMISSION_PAYOUTS_APPROVAL: payouts.approval: 'three' is none of one-person, two-person,"
        " none"
    )


def test_where_nobody_has_to_approve(
    commission: Program, three: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COMMISSION_PAYOUTS_APPROVAL", "none")
    (tmp_path / "people.csv").write_text("affiliate_id,status\nbob,suspended\n")
    commission("import", "affiliates", tmp_path / "people.csv")
    done = said(commission, "payouts", "export")
    assert [file["payouts"] for file in done["files"]] == [2]
    assert len(done["held"]) == 1
    assert listed(commission, "--status", "pending") == ["05 bob 12.50 pending"]
    assert said(commission, "payouts", "export")["files"] == []
    assert agrees(commission)


# --- files to pay ---------------------------------------------------------------------------------


def test_a_file_that_was_taken_away_is_not_written_again_unless_asked(
    commission: Program, three: None, tmp_path: Path
) -> None:
    commission("payouts", "approve")
    (file,) = said(commission, "payouts", "export")["files"]
    path, batch = Path(file["file"]), file["batch"]
    was = path.read_bytes()
    (there,) = said(commission, "payouts", "export", "--batch", batch)["files"]
    assert there["came"] == "there"
    path.rename(tmp_path / "at-the-bank.csv")
    assert said(commission, "payouts", "export")["files"] == []
    (gone,) = said(commission, "payouts", "export", "--batch", batch)["files"]
    assert (gone["came"], path.exists()) == ("gone", False)
    (fresh,) = said(commission, "payouts", "export", "--batch", batch, "--again")["files"]
    assert (fresh["came"], path.read_bytes()) == ("written", was)
    path.write_bytes(was.replace(b"25.00", b"99.00"))
    done = commission("payouts", "export", "--batch", batch)
    assert (done.code, path.read_bytes() == was) == (1, False)
    assert "has other bytes than were exported" in done.err
    path.unlink()
    commission("payouts", "mark", "paid", *ids(commission, "ann"))
    assert refused(commission, "payouts", "export", "--batch", batch, "--again") == (
        f"{path.name}: payouts of it were marked already"
    )
    assert refused(commission, "payouts", "export", "--again") == "--again is for one batch"


def test_an_export_killed_anywhere_gives_one_file_once() -> None:
    """The bank takes every file away before anybody comes again; see crash_payouts.py."""
    assert trials("crash_payouts", "--trials", 16)["wrong"] == 0


def test_what_was_marked_meanwhile_is_never_written(
    commission: Program, three: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The file could not be written; before the next try a person gives up on one of it."""
    commission("payouts", "approve")
    in_the_way = tmp_path / "out" / "payments"
    in_the_way.write_text("a file where the folder should be")
    assert commission("payouts", "export").code == 1
    assert "exported" in str(listed(commission))
    commission("payouts", "mark", "failed", *ids(commission, "cat"), "--reason", "gave up")
    in_the_way.unlink()
    (file,) = said(commission, "payouts", "export")["files"]
    assert (file["came"], paid_in(in_the_way)) == ("never", [])


# --- minimum and age ------------------------------------------------------------------------------


@BOTH
def test_an_override_pays_once_below_the_minimum(commission: Program, acme: Night) -> None:
    acme("2026-01-05", ("bob", "4.00"), ("cat", "3.00"))
    assert listed(commission) == []
    how = ("payouts", "override", "ann", "USD")
    assert refused(commission, *how) == "--reason is empty"
    assert refused(commission, *how[:-1], "EUR", "--reason", "x") == (
        "nothing was ever earned in 'EUR'"
    )
    assert said(commission, *how, "--reason", "leaves us")["new"] is True
    assert said(commission, *how, "--reason", "leaves us")["new"] is False
    acme("2026-01-06", ("cat", "1.00"))
    assert listed(commission) == ["06 ann 4.00 pending"]
    acme("2026-01-07", ("bob", "5.00"))
    assert len(listed(commission)) == 1
    words = commission("explain", *ids(commission, "ann")).out
    assert 'the least that is paid is 10.00, which did not hold this time: "leaves us"' in words
    assert agrees(commission)


@BOTH
def test_old_balances_say_why_they_are_not_paid(
    commission: Program, acme: Night, tmp_path: Path
) -> None:
    acme("2026-01-05", ("bob", "4.00"), ("cat", "12.00"), ("dan", "11.00"))
    acme("2026-01-06", ("cat", "2.00"))
    (bob,) = ids(commission, "bob")
    commission("payouts", "reject", bob, *ids(commission, "cat"), "--reason", "under review")
    (tmp_path / "people.csv").write_text("affiliate_id,status\nbob,suspended\n")
    commission("import", "affiliates", tmp_path / "people.csv")
    acme("2026-01-20", ("dan", "1.00"))

    def old(days: str) -> list[str]:
        rows = json.loads(commission("balances", "--older-than", days, "--json").out)
        return [f"{r['affiliate_id']} {r['available']} {r['since']} {r['days']} {r['why']}"
                for r in rows]  # fmt: skip

    assert old("14d") == [
        "ann 4.00 2026-01-05 15 6.00 below the minimum",
        "bob 14.00 2026-01-05 15 suspended",
    ]
    assert old("15d") == []
    assert refused(commission, "balances", "--older-than", "soon") == (
        "--older-than: 'soon' is no number of days"
    )


# --- explained, and proved ------------------------------------------------------------------------


def test_explain_tells_the_life_of_a_payout(commission: Program, acme: Night, three: None) -> None:
    (ann,) = ids(commission, "ann")
    commission("payouts", "approve", "--as", "carl")
    commission("payouts", "export")
    commission("payouts", "mark", "failed", ann, "--reason", "unknown account")
    acme("2026-01-06")
    words = commission("explain", ann).out
    assert "Decided by the settlement of 2026-01-05; it is failed." in words
    assert " by carl (as given by " in words
    assert ': "unknown account".' in words
    line = commission("explain", "e050.1").out
    assert "That was failed, and its money went back to the balance." in line
    told_ = json.loads(commission("explain", ann, "--json").out)
    assert [step["became"] for step in told_["steps"]] == ["approved", "exported", "failed"]
    again = commission("explain", ids(commission, "ann")[1]).out
    assert f"Payout {ann} came back on 2026-01-06: 25.00." in again


def key(url: str) -> dict[str, int]:
    with reading(connect(url)) as connection:
        row = connection.execute(sa.select(payout_step)).mappings().first()
    assert row
    return {name: row[name] for name in book.KEY}


@BOTH
def test_the_database_refuses_steps_out_of_turn(
    commission: Program, three: None, database_url: str
) -> None:
    commission("payouts", "approve", "--affiliate", "ann")
    given = {**key(database_url), "intake": 99, "batch": "", "reason": ""}
    for number, was, step in (
        (1, "pending", "approved"),  # a second first step
        (2, "pending", "exported"),  # in the state before the last
        (3, "approved", "exported"),  # with one left out
        (2, "approved", "paid"),  # not legal
        (0, "pending", "voided"),
    ):
        with pytest.raises(DBAPIError), writing(connect(database_url)) as connection:
            connection.execute(
                sa.insert(payout_step).values(**given, number=number, was=was, step=step)
            )
    with pytest.raises(DBAPIError), writing(connect(database_url)) as connection:
        connection.execute(
            sa.insert(payout_step).values(
                **{**given, "affiliate": 77}, number=1, was="pending", step="approved"
            )
        )
    assert agrees(commission)


def test_the_check_of_the_database_is_the_table_of_the_engine() -> None:
    (check,) = [
        str(each.sqltext)
        for each in payout_step.constraints
        if isinstance(each, sa.CheckConstraint) and str(each.name).endswith("legal")
    ]
    for was, after in LEGAL.items():
        part = [each for each in check.split(" OR ") if each.startswith(f"was = '{was}'")]
        assert [
            state for state in State if part and f"'{state}'" in part[0].partition("AND")[2]
        ] == [state for state in State if state in after]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE payout_step SET batch = 'f' WHERE step = 'approved'", "has the hash"),
        ("UPDATE payout_step SET was = 'pending' WHERE step = 'exported'", "does not follow"),
        ("UPDATE payout_step SET intake = 1 WHERE step = 'exported'", "was not learned"),
        ("UPDATE payment_file SET sha256 = 'f'", "do not give its hash"),
        (
            "DELETE FROM payout_step WHERE step = 'paid'"
            " AND affiliate = (SELECT min(affiliate) FROM payout)",
            "accepted 3 rows, the book holds 2",
        ),
        ("UPDATE profile SET name = 'Eve' WHERE affiliate = 1", "has the hash"),
    ],
)
def test_verify_finds_what_was_altered(
    commission: Program, three: None, database_url: str, statement: str, found: str
) -> None:
    commission("payouts", "approve")
    commission("payouts", "export")
    done = said(commission, "payouts", "mark", "paid", *ids(commission, "ann", "bob", "cat"))
    assert len(done["payouts"]) == 3
    change(database_url, statement)
    proved = commission("verify")
    assert proved.code == 5
    assert found in proved.out + proved.err
