"""What banks say of payouts: matched, marked, kept, decided, added up and proved."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from bank_files import ACCOUNT, COMPANY, Row, camt, mt940, nacha
from program import HEADER, Program, shop, tree
from test_verify import change

from commission_engine.book.connect import connect, writing
from commission_engine.finance.reconcile.prove import faults
from commission_engine.finance.reconcile.read import Form, Named, read
from commission_engine.finance.references import short_reference
from commission_engine.money import iso_decimals
from commission_engine.problems import FileRefused, UsageError

PLAN = """\
name = "acme"
[[terms]]
from = 2026-01-01
[[terms.level]]
level = 1
rate = "100%"
"""
PEOPLE = "affiliate_id,name\nann,Ann Archer\nbob,Bob Baker\ncat,Cat Cook\n"
EARNED = (
    "e1,bob,2026-01-05,25.00,USD,\ne2,cat,2026-01-05,12.50,USD,\ne3,dan,2026-01-05,14.00,USD,\n"
)
ANN = "po-20260105-2cql5uq54ns6tsdk"
BOB = "po-20260105-uvhqmd547jafh52l"
CAT = "po-20260105-q0bk1unbpegc404i"
IBAN = "DE89370400440532013000"
BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh migrated book, in SQLite where a test does not ask for more."""
    url: str = request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url")
    return url


MADE: dict[str, bytes] = {}
"""The files of a book in SQLite with three exported payouts, once they were made."""


@pytest.fixture
def exported(commission: Program, tmp_path: Path, database_url: str) -> Program:
    """ann 25.00, bob 12.50 and cat 14.00 USD are on their way."""
    sqlite = database_url.startswith("sqlite")
    if sqlite and MADE:
        for name, data in MADE.items():
            path = Path(database_url.removeprefix("sqlite:///")) if not name else tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return commission
    folder = shop(tmp_path / "in", HEADER + EARNED, PLAN)
    (folder / "affiliates.csv").write_text(PEOPLE)
    (folder / "referrals.csv").write_text("affiliate_id,referrer_id\nbob,ann\ncat,bob\ndan,cat\n")
    assert commission("run", folder, "--date", "2026-01-05").code == 0
    assert commission("payouts", "approve").code == 0
    assert commission("payouts", "export").code == 0
    if sqlite:
        MADE[""] = Path(database_url.removeprefix("sqlite:///")).read_bytes()
        MADE.update({f"out/{name}": data for name, data in tree(tmp_path / "out").items()})
    return commission


def bank(commission: Program, name: str, data: bytes, *words: str) -> dict[str, Any]:
    Path(name).write_bytes(data)
    done = commission("reconcile", name, "--json", *words)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def refused(name: str, data: bytes, *own: str) -> str:
    """What the reader says to a file."""
    with pytest.raises(FileRefused) as why:
        read(Named(Path(name)), data, iso_decimals(), own)
    assert why.value.hint.endswith("Nothing of the file was kept.")
    return why.value.message


def listed(commission: Program, *words: str) -> list[str]:
    rows = json.loads(commission("reconcile", "open", "--all", "--json", *words).out)
    return [f"{r['entry']} {r['found']} {r['amount']} {r['payout_id']}".strip() for r in rows]


def states(commission: Program) -> dict[str, str]:
    rows = json.loads(commission("payouts", "--json").out)
    return {row["affiliate_id"]: row["status"] for row in rows}


def agrees(commission: Program) -> bool:
    done = commission("verify")
    assert done.err == ""
    return done.code == 0


# --- the whole way --------------------------------------------------------------------------------

STATEMENT = (
    Row(-2500, ANN, "B1", "Ann Archer", IBAN),
    Row(-1250, BOB, "B2"),
    Row(1250, BOB, "B3", reason="AC04"),
    Row(-900, CAT, "B4"),
    Row(99900, "", "B5", "a customer"),
    Row(-1400, "", "B6", "Cook, Cát"),
    Row(-2500, ANN, "B7"),
    Row(-5000, "po-20260105-aaaaaaaaaaaaaaaa", "B8"),
    Row(-2501, ANN, "B9"),
    Row(-77, "", "B10", text="fee"),
    Row(-123, "", "B11", status="PDNG"),
)


@BOTH
def test_a_statement_marks_what_is_sure_and_keeps_the_rest_for_a_person(exported: Program) -> None:
    Path("bank.xml").write_bytes(camt(*STATEMENT))
    said = [
        f"camt.053 of {ACCOUNT}: 10 new entries, 1 not final and left out",
        "  paid: 2, USD 37.50",
        "  returned: 1, USD 12.50",
        "  partly: 1, USD 9.00",
        "  amount differs: 1, USD 25.01",
        "  doubled: 1, USD 25.00",
        "  never sent: 1, USD 50.00",
        "  unknown: 2, USD 14.77",
        "  other: 1, USD 999.00",
        "2 payouts marked paid",
        "1 payout marked failed; the next run books it back",
        "6 entries wait for a person: commission reconcile open",
    ]
    rehearsed = exported("reconcile", "bank.xml", "--dry-run")
    assert rehearsed.err.splitlines() == [*said, "dry run: nothing was kept"]
    assert exported("reconcile", "bank.xml").err.splitlines() == said
    assert states(exported) == {"ann": "paid", "bob": "failed", "cat": "exported"}
    rows = json.loads(exported("reconcile", "open", "--json").out)
    assert [(r["entry"], r["found"], r["payout_id"], r["score"], r["why"]) for r in rows] == [
        (4, "partly", CAT, 60, "the reference agrees; it is 9.00 USD of 14.00 USD"),
        (6, "unknown", CAT, 65, "no reference; the amount (40) + the name (25)"),
        (7, "doubled", ANN, 60, "another entry has paid it already"),
        (8, "never sent", "", 0, "no payout that was exported is po-20260105-aaaaaaaaaaaaaaaa"),
        (9, "amount differs", ANN, 60, "the reference agrees; it is 25.01 USD of 25.00 USD"),
        (10, "unknown", "", 0, "no reference, and no open payout of 0.77 USD"),
    ]
    told = json.loads(exported("explain", BOB, "--json").out)
    assert "AC04: the account is closed" in json.dumps(told)
    assert agrees(exported)
    again = exported("reconcile", "bank.xml")
    assert again.code == 0
    assert again.err.startswith("bank.xml: was read already, at 20")
    assert again.err.endswith("nothing was changed\n")
    next_ = exported("run", "--date", "2026-01-06")
    assert "$12.50 came back" in next_.out + next_.err
    assert agrees(exported)


def test_overlapping_statements_bring_each_entry_once(exported: Program) -> None:
    """Equal entries without the bank's reference are told apart by their place among equals."""
    fee, two = Row(-77, text="fee"), Row(-77, text="fee")
    first = bank(exported, "1.xml", camt(STATEMENT[0], fee, name="S-1"))
    second = bank(exported, "2.xml", camt(STATEMENT[0], fee, two, STATEMENT[1], name="S-2"))
    assert [(each["entries"], each["known"]) for each in (first, second)] == [(2, 0), (2, 2)]
    notified = bank(exported, "3.xml", camt(*STATEMENT[:2], kind="054", version="02"))
    assert (notified["format"], notified["entries"], notified["known"]) == ("camt.054", 0, 2)
    assert listed(exported) == [
        f"1 paid 25.00 {ANN}", "2 unknown 0.77", "3 unknown 0.77", f"4 paid 12.50 {BOB}",
    ]  # fmt: skip
    assert agrees(exported)


def test_one_of_two_payments_that_comes_back_fails_nothing(exported: Program) -> None:
    """Else the payout would be made anew, and the affiliate be paid twice after all."""
    bank(exported, "1.xml", camt(Row(-2500, ANN, "B1"), Row(-2500, ANN, "B2")))
    done = bank(exported, "2.xml", camt(Row(2500, ANN, "B3", reason="DUPL"), name="S-2"))
    assert (done["found"], done["marked_failed"]) == ({"doubled": 1}, 0)
    rows = json.loads(exported("reconcile", "open", "--json").out)
    assert [(row["entry"], row["payout_id"], row["why"]) for row in rows] == [
        (2, ANN, "another entry has paid it already"),
        (3, ANN, "it was paid twice, and one payment came back"),
    ]
    assert exported("reconcile", "decide", "2", "3", "--ignore", "--reason", "undone").code == 0
    assert states(exported)["ann"] == "paid"
    assert agrees(exported)


PAYPAL = f"""\
Transaction ID,Recipient,Customer ID,Amount,Currency,Transaction Status,Time processed,Error message
T1,ann@example.com,{ANN},25.00,USD,SUCCESS,2026-01-07T10:00:00Z,
T2,bob@example.com,{BOB},12.50,USD,RETURNED,2026-01-07T10:00:00Z,Nobody claimed it
T3,eve@example.com,,7.00,USD,SUCCESS,2026-01-07T10:00:00Z,
T4,cat@example.com,{CAT},14.00,USD,UNCLAIMED,2026-01-07T10:00:00Z,
"""
WISE = f"""\
ID,Status,Direction,"Created on","Finished on","Target name","Target amount (after fees)",\
"Target currency",Reference
TRANSFER-1,COMPLETED,OUT,"2026-01-06 08:00:00","2026-01-07 10:00:00","Ann Archer",25.0,USD,\
{short_reference(ANN)}
TRANSFER-2,REFUNDED,OUT,"2026-01-06 08:00:00","2026-01-07 10:00:00",Bob,12.5,USD,\
{short_reference(BOB)}
TRANSFER-3,COMPLETED,OUT,"2026-01-06 08:00:00","2026-01-07 10:00:00",Eve,7.0,USD,rent
TRANSFER-4,COMPLETED,IN,"2026-01-06 08:00:00","2026-01-07 10:00:00",Us,7.0,USD,refund
"""
MAP = """\
account = "OUR-1"
delimiter = ";"
decimal = ","
thousands = "."
date = "DD.MM.YYYY"
currency = "USD"
encoding = "cp1252"

[columns]
reference = ["Zweck", "Kennung"]
amount = "Betrag"
date = "Tag"
payee = "Empfänger"
reason_code = "Grund"
status = "Stand"

[status]
"Ausgeführt" = "paid"
"Zurück" = "returned"
"""
MAPPED = f"""\
Tag;Betrag;Zweck;Kennung;Empfänger;Stand;Grund
07.01.2026;-25,00;Provision;{ANN.upper()};Ann Archer;Ausgeführt;
07.01.2026;12,50;"Rück; {BOB}";;;Zurück;AC04
07.01.2026;-7,00;;;Eve;Ausgeführt;
"""
THREE = (STATEMENT[0], Row(1250, BOB, "B3", reason="AC04"), Row(-700, "", "B6", "Eve"))
SHORT = (
    Row(2500, "", "", reason="C01"),
    Row(1250, short_reference(BOB), payee="BOB BAKER", reason="R02", account="12345678"),
    Row(700, "0123456789ABCDE", payee="EVE", reason="R03"),
)


@pytest.mark.parametrize(
    ("name", "data", "form", "found"),
    [
        ("v02.xml", camt(*THREE, version="02"), "camt.053", "paid returned unknown"),
        ("v08.xml", camt(*THREE, version="08"), "camt.053", "paid returned unknown"),
        ("n04.xml", camt(*THREE, version="04", kind="054"), "camt.054", "paid returned unknown"),
        ("one.xml", camt([THREE[0], THREE[2]], THREE[1]), "camt.053", "paid unknown returned"),
        ("utf16.xml", camt(*THREE).decode().replace("UTF-8", "UTF-16").encode("utf-16"),
         "camt.053", "paid returned unknown"),
        ("bank.sta", mt940(*THREE), "mt940", "paid returned unknown"),
        ("ach.txt", nacha(*SHORT), "nacha", "notice returned never_sent"),
        ("paypal.csv", PAYPAL.encode(), "paypal", "paid returned unknown"),
        ("wise.csv", WISE.encode("utf-8-sig"), "wise", "paid returned unknown"),
        ("bank.csv", MAPPED.encode("cp1252"), "csv", "paid returned unknown"),
    ],
    ids=lambda each: each if isinstance(each, str) and "." in each else "",
)  # fmt: skip
def test_every_form_says_the_same(
    exported: Program, name: str, data: bytes, form: str, found: str
) -> None:
    Path("map.toml").write_text(MAP, "utf-8")
    done = bank(exported, name, data, *(["--map", "map.toml"] if form == "csv" else []))
    assert done["format"] == form
    rows = json.loads(exported("reconcile", "open", "--all", "--json").out)
    assert [row["found"].replace(" ", "_") for row in rows] == found.split()
    assert {row["booked_on"] for row in rows} == {"2026-01-07"}
    of = {row["found"]: row for row in rows}
    assert of["returned"]["payout_id"] == BOB
    assert (done["marked_failed"], done["marked_paid"]) == (1, int("paid" in of))
    assert IBAN not in json.dumps(rows)


# --- ten thousand ---------------------------------------------------------------------------------


@pytest.mark.series
def test_every_trouble_of_ten_thousand_is_found_and_none_is_invented(
    commission: Program, tmp_path: Path
) -> None:
    """2% of each: failed, partly, unknown, doubled, another amount, never sent."""
    folder = shop(tmp_path / "in", HEADER, PLAN.replace("level = 1", "level = 0"))
    (folder / "referrals.csv").unlink()
    rows = (f"e{n},a{n:05},2026-01-05,{10 + n % 900}.{n % 100:02},USD," for n in range(10_000))
    (folder / "earnings.csv").write_text(HEADER + "\n".join(rows) + "\n")
    assert commission("run", folder, "--date", "2026-01-05").code == 0
    commission("payouts", "approve")
    commission("payouts", "export")
    payouts = json.loads(commission("payouts", "--json").out)
    assert len(payouts) == 10_000
    entries: list[Row] = []
    planted: Counter[tuple[str, str]] = Counter()
    for number, payout in enumerate(payouts):
        name, minor = payout["payout_id"], int(payout["amount"].replace(".", ""))
        bank_name, kind = f"B{number}", number % 50
        paid = Row(-minor, name, bank_name)
        made, found = {
            0: ([paid, Row(minor, name, f"R{number}", reason="AC04")], ["paid", "returned"]),
            1: ([Row(-(minor - 1), name, bank_name)], ["partly"]),
            2: ([Row(-minor, "", bank_name, "somebody")], ["unknown"]),
            3: ([paid, Row(-minor, name, f"D{number}")], ["paid", "doubled"]),
            4: ([Row(-(minor + 100), name, bank_name)], ["amount differs"]),
            5: ([paid, Row(-minor, f"po-20260105-{number:016}", f"N{number}")],
                ["paid", "never sent"]),
        }.get(kind, ([paid], ["paid"]))  # fmt: skip
        entries += made
        planted.update((each, row.bank) for each, row in zip(found, made, strict=True))
    done = bank(commission, "bank.xml", camt(*entries, opening=10**12))
    assert done["found"] == {
        "paid": 9400, "returned": 200, "partly": 200, "amount differs": 200, "doubled": 200,
        "never sent": 200, "unknown": 200,
    }  # fmt: skip
    told = json.loads(commission("reconcile", "open", "--all", "--json").out)
    assert Counter((row["found"], row["bank_reference"]) for row in told) == planted
    assert (done["marked_paid"], done["marked_failed"], done["waiting"]) == (9400, 200, 1000)
    after = Counter(row["status"] for row in json.loads(commission("payouts", "--json").out))
    assert after == {"paid": 9200, "failed": 200, "exported": 600}
    report = json.loads(commission("reconcile", "report", "--json").out)
    sums = {name: int(value.replace(".", "")) for name, value in report[0].items()
            if isinstance(value, str) and name != "currency"}  # fmt: skip
    assert sums["made"] - sums["paid"] - sums["failed"] == sums["closing"]
    assert (sums["bank_paid"], sums["bank_back"]) == (sums["paid"], sums["returned"])
    assert agrees(commission)


# --- what is refused ------------------------------------------------------------------------------

GOOD = camt(*THREE)
SALARY = camt(Row(-2500, ANN, "B1"), account="DE75512108001245126199")
CUT = GOOD[: GOOD.index(b"</Stmt>")]
LAST_LINE = CUT.count(b"\n") + 1


REFUSED = (
        ("a.xml", camt(*THREE, off=1),
         "a.xml:5, Bal: says 9980.51, but opening and booked entries come to 9980.50"),
        ("a.xml", camt(*THREE, kind="054", off=-100),
         "a.xml:4, TtlNtries/Sum: says 43.50, but the entries come to 44.50"),
        ("a.xml", GOOD.replace(b"<NbOfNtries>3", b"<NbOfNtries>4"),
         "a.xml:6, TtlNtries/NbOfNtries: says 4, but the entries are 3"),
        ("a.xml", GOOD.replace(b"OPBD", b"FWAV"),
         "a.xml:3, Bal: the balance OPBD is missing, so nothing proves the entries"),
        ("a.xml", camt([Row(-2500, ANN), Row(-1250, BOB)]).replace(b">37.50<", b">37.60<").replace(
            b"9962.50", b"9962.40"),
         "a.xml:7, Ntry/Amt: says 37.60, but its payments come to 37.50"),
        ("a.xml", GOOD.replace(b">25.00<", b">25.001<"),
         "a.xml:7, Amt: '25.001' has more than 2 decimals of USD"),
        ("a.xml", GOOD.replace(b">25.00<", b">-25.00<"), "a.xml:7, Amt: '-25.00' is not an amount"),
        ("a.xml", GOOD.replace(b"2026-01-07", b"2026-02-30", 1),
         "a.xml:7, BookgDt: '2026-02-30' is not a date"),
        ("a.xml", GOOD.replace(b"camt.053.001", b"pain.002.001"),
         "a.xml:2, Document: 'urn:iso:std:iso:20022:tech:xsd:pain.002.001.08' is not camt.053 or"
         " camt.054"),
        ("a.xml", CUT, f"a.xml:{LAST_LINE}, column 1: this is not XML: no element found"),
        ("a.xml", SALARY, "a.xml: is about the account DE75512108001245126199, which is none of"
         " bank.accounts"),
        ("a.sta", mt940(*THREE, off=-5),
         "a.sta:13, :62F:: says USD 9980.45, but :60F: and the entries come to USD 9980.50"),
        ("a.sta", mt940(*THREE).replace(b"D25,00", b"D25.00"),
         "a.sta:5, :61:: '2601070107DD25.00NTRFNONREF//B1' is not an entry"),
        ("a.sta", mt940(*THREE).replace(b":62F:", b":64:"),
         "a.sta:1, :62F:: is missing in this statement"),
        ("a.ach", nacha(*SHORT, off=1),
         "a.ach:9, record 8, credits: says 19.51, but the entries come to 19.50"),
        ("a.ach", nacha(*SHORT, hash_off=1),
         "a.ach:9, record 8, entry hash: says 22920376, but bank numbers come to 22920375"),
        ("a.ach", nacha(*SHORT, count_off=1),
         "a.ach:9, record 8, count: says 7, but records 6 and 7 are 6"),
        ("a.ach", nacha(*SHORT).replace(b"\n798", b"\n705"),
         "a.ach:3, record 6: has no addendum of type 99 or 98, so it is no return"),
        ("a.ach", nacha(*SHORT).replace(b"9000001", b"9000002"),
         "a.ach:10, record 9, columns 2-7: says 2, but the batches are 1"),
        ("a.csv", PAYPAL.replace("SUCCESS", "LOST", 1).encode(),
         "a.csv:2, column Transaction Status: 'LOST' is a status that is not known"),
        ("a.csv", PAYPAL.replace("25.00", "25,00").encode(), "a.csv:2: has 9 fields, the header 8"),
        ("a.csv", PAYPAL.replace("12.50", "1e3").encode(),
         "a.csv:3, column Amount: '1e3' is not an amount"),
        ("a.csv", PAYPAL.replace("2026-01-07T", "07.01.2026 ", 1).encode(),
         "a.csv:2, column Time processed: '07.01.2026 10:00:00Z' is not a date YYYY-MM-DD"),
        ("a.txt", b"hello\n", "a.txt: is none of camt, mt940, nacha, paypal, wise, csv"),
        ("a.xml", GOOD.replace(b"Eve", b"\xff"),
         "a.xml:14, column 109: this is not XML: not well-formed (invalid token)"),
)  # fmt: skip


def test_a_file_that_is_not_whole_is_refused_whole() -> None:
    found = [refused(name, data, ACCOUNT.lower(), COMPANY) for name, data, _ in REFUSED]
    assert found == [why for _, _, why in REFUSED]


def test_nothing_of_a_refused_file_is_kept(
    exported: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_BANK_ACCOUNTS", COMPANY)
    Path("a.xml").write_bytes(GOOD)
    done = exported("reconcile", "a.xml")
    assert (done.code, done.out, done.err.splitlines()) == (
        1,
        "",
        [
            f"error: a.xml: is about the account {ACCOUNT}, which is none of bank.accounts",
            "Give the file of your own account, or add this one. Nothing of the file was kept.",
        ],
    )
    with Path("b.xml").open("wb") as file:
        file.truncate((64 << 20) + 1)
    done = exported("reconcile", "b.xml")
    assert (done.code, done.err.splitlines()[0]) == (1, "error: b.xml: is larger than 64 MB")
    assert listed(exported) == []
    assert agrees(exported)


DOCTYPE = "a document type (<!DOCTYPE) is not read"
LAUGHS = "".join(f'<!ENTITY l{n + 1} "&l{n};&l{n};">' for n in range(30))
HARMFUL = (
    ("<Document", '<!DOCTYPE a SYSTEM "file:///etc/passwd"><Document', DOCTYPE),
    ("<Document", f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><Document', DOCTYPE),
    ("<Document", '<!DOCTYPE a [<!ENTITY x SYSTEM "http://127.0.0.1:9/x">]><Document', DOCTYPE),
    ("S-1", "&x;", "column 11: this is not XML: undefined entity"),
    ("S-1", "<a>" * 100, "elements nested too deeply, or too many of them"),
    ("S-1", "<a " + " ".join(f'a{n}=""' for n in range(99)) + "/>", "too many attributes"),
    ("UTF-8", "UTF-7", "this is not XML: multi-byte encodings are not supported"),
)


def test_xml_that_could_do_harm_is_refused() -> None:
    text = GOOD.decode()
    found = [refused("a.xml", text.replace(old, new).encode()) for old, new, _ in HARMFUL]
    places = [re.sub(r"a\.xml:\d+(: |, )", "", each) for each in found]
    assert places == [why for _, _, why in HARMFUL]


def test_a_mapping_is_refused_with_every_fault(tmp_path: Path) -> None:
    file = tmp_path / "map.toml"

    def faults(text: str) -> list[str]:
        file.write_text(text, "utf-8")
        with pytest.raises(UsageError) as why:
            read(Named(Path("a.csv"), mapping=file), b"Amount\n1.00\n", iso_decimals(), ())
        return why.value.message.replace(f"{file}: ", "").splitlines()

    assert faults('decimal = ";"\ncurency = "USD"\n[columns]\namount = "Amount"\n') == [
        "curency: is not known; did you mean 'currency'?",
        "decimal: ';' is none of '.', ','",
    ]
    assert faults('[columns]\namuont = "Amount"\nstatus = "S"\n') == [
        "columns.amuont: is not known; did you mean 'amount'?",
        "columns.reference: is missing",
        "columns.amount: is missing",
        "columns.date: is missing",
        "columns.currency: is missing",
        'account: is missing; write such as account = "DE02..."',
        "status: is missing; write [status], and below what each word means",
    ]
    with pytest.raises(UsageError, match="--format csv and --map FILE go together"):
        read(Named(Path("a.csv"), Form.CSV), b"", iso_decimals(), ())


# --- a person's word ------------------------------------------------------------------------------


def said(commission: Program, *words: str) -> str:
    """What a decision comes to: what is done or wrong, in one line."""
    done = commission("reconcile", "decide", *words)
    assert done.code in (0, 2)
    lines = done.err.splitlines()
    return " | ".join(lines[:1] if done.code else lines).removeprefix("error: ")


@BOTH
def test_a_person_decides_on_what_waits(exported: Program) -> None:
    bank(exported, "1.xml", camt(*STATEMENT))
    assert said(exported, "4", "--payout", CAT) == "entry 4 is 9.00, the payout 14.00"
    first = ("4", "--payout", CAT, "--reason", "two parts")
    assert said(exported, *first, "--dry-run").endswith("dry run: nothing was kept")
    assert said(exported, *first) == (
        f"entry 4: payout {CAT} | 9.00 of 14.00 USD so far, so it stays exported"
    )
    assert said(exported, *first) == "entry 4: decided so already; nothing was changed"
    assert said(exported, "4", "--not-ours").startswith("entry 4 was decided at 20")
    assert said(exported, "6", "--payout", CAT) == f"entry 6: payout {CAT} | marked paid"
    assert states(exported)["cat"] == "paid"
    assert said(exported, "7", "--payout", ANN) == f"entry 7: payout {ANN}"
    assert said(exported, "8", "10", "--not-ours") == "entry 8, 10: not ours"
    assert said(exported, "9", "--ignore") == "--reason is empty"
    assert said(exported, "9", "--ignore", "--reason", "asked the bank") == "entry 9: ignore"
    assert said(exported, "1", "--not-ours") == "entry 1 is paid and waits for nobody"
    assert said(exported, "99", "--not-ours") == "there is no entry 99"
    assert said(exported, "9") == "decide needs one of --payout PAYOUT_ID, --not-ours and --ignore"
    assert exported("reconcile", "open").err == "no entries\n"
    back = bank(exported, "2.xml", camt(Row(1400, "", "C1", "Cat Cook", reason="MS03")))
    assert back["found"] == {"unknown": 1}
    assert said(exported, "11", "--payout", CAT) == (
        f"entry 11: payout {CAT} | marked failed; the next run books it back"
    )
    assert agrees(exported)


def test_what_was_marked_by_hand_is_confirmed_or_contradicted(exported: Program) -> None:
    exported("payouts", "mark", "paid", ANN)
    exported("payouts", "mark", "failed", BOB, "--reason", "a call")
    done = bank(exported, "1.xml", camt(*STATEMENT[:2], Row(1250, BOB, "B3", reason="AC04")))
    assert done["found"] == {"paid": 1, "returned": 1, "contradicts": 1}
    assert (done["marked_paid"], done["marked_failed"]) == (0, 0)
    assert said(exported, "2", "--payout", BOB) == (
        f"entry 2: payout {BOB} | it has failed, and its money is in the balance or a later payout"
    )
    assert agrees(exported)


def test_currencies_and_payouts_that_never_left(exported: Program) -> None:
    exported("run", "--date", "2026-01-06")
    done = bank(exported, "1.xml", camt(Row(-2500, ANN), code="EUR"))
    assert done["found"] == {"amount differs": 1}
    assert said(exported, "1", "--payout", ANN) == "entry 1 is in EUR, the payout in USD"
    done = bank(exported, "2.xml", camt(Row(-2500, "rent"), code="EUR"))
    assert done["found"] == {"never sent": 1}
    assert said(exported, "2", "--payout", "po-20260106-aaaaaaaaaaaaaaaa").startswith("there is no")


def test_two_people(exported: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMISSION_PAYOUTS_APPROVAL", "two-person")
    bank(exported, "1.xml", camt(Row(-1400, "", "B6", "Cat Cook")), "--as", "carla")
    assert said(exported, "1", "--payout", CAT, "--as", "carla").startswith(
        "carla has read the file (as carla (as given by "
    )
    assert said(exported, "1", "--payout", CAT, "--as", "dave").endswith("marked paid")


def test_the_report_has_periods(exported: Program, database_url: str) -> None:
    """Exported on the 6th, read on the 8th: paid 25.00, back 12.50."""
    bank(exported, "1.xml", camt(*STATEMENT[:4]))
    change(
        database_url,
        "UPDATE intake SET learned_at = CASE WHEN kind IN ('reconcile', 'mark payouts')"
        " THEN '2026-01-08T10:00:00Z' ELSE '2026-01-06T10:00:00Z' END",
    )
    names = ("opening", "made", "paid", "failed", "closing", "returned", "bank_paid", "bank_back",
             "waiting", "waiting_entries")  # fmt: skip

    def sums(*words: str) -> list[Any]:
        (row,) = json.loads(exported("reconcile", "report", "--json", *words).out)
        return [row[name] for name in names]

    zero = "0.00"
    assert sums("--to", "2026-01-07") == [
        zero, "51.50", zero, zero, "51.50", zero, zero, zero, zero, 0,
    ]  # fmt: skip
    assert sums("--from", "2026-01-08") == [
        "51.50", zero, "37.50", zero, "14.00", "12.50", "37.50", "12.50", "9.00", 1,
    ]  # fmt: skip
    assert sums() == [zero, "51.50", "37.50", zero, "14.00", "12.50", "37.50", "12.50", "9.00", 1]
    wrong = exported("reconcile", "report", "--from", "2026-01-09", "--to", "2026-01-08")
    assert (wrong.code, wrong.err.splitlines()[0]) == (2, "error: --from is after --to")


ALTERED = {
    "UPDATE bank_entry SET found = 'other' WHERE id = 4": "matching it anew finds something else",
    "UPDATE bank_entry SET amount_minor = 1 WHERE id = 5": "does not give its identity",
    "UPDATE bank_entry SET intake = 1 WHERE id = 6": "bank entry 6: it is of no file",
    "UPDATE bank_decision SET intake = 1": "the entry was not known yet",
    "UPDATE bank_file SET known = 3": "counts other entries that were known",
    "DELETE FROM payout_step WHERE step = 'paid' AND affiliate = 1":
        "bank entry 1: its payout was not settled",
}  # fmt: skip


def test_verify_finds_what_was_altered(exported: Program, database_url: str) -> None:
    bank(exported, "1.xml", camt(*STATEMENT))
    said(exported, "8", "--not-ours")
    change(database_url, next(iter(ALTERED)))
    with writing(connect(database_url)) as connection:
        for statement in [*ALTERED][1:]:
            connection.exec_driver_sql(statement)
        found = "\n".join(faults(connection))
    assert [each for each in ALTERED.values() if each not in found] == []
    proved = exported("verify")
    assert proved.code == 5
    assert "matching it anew finds something else" in proved.out + proved.err
