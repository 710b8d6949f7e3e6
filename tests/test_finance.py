"""The month's end as one: from orders of a real shop to a closed month that foots, with troubles
planted in what the bank says."""

import csv
import io
import json
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from xml.etree import ElementTree
from zlib import crc32

import pytest
from bank_files import Row, camt
from payday import DEBTOR, payee_file, set_up
from program import Program
from test_bank import XSD
from test_exports import built, made
from test_journals import balances, hledger, loaded
from test_reconcile import bank, states

from commission_engine.finance.journals.names import account_of

SHOP = Path(__file__).parents[1] / "examples" / "online_retail"
BEGINNING = "2010-12-17"
"""Orders and referrals of before are taken: what they earn is available when the week ends."""
PLAN = (
    (SHOP / "plan.toml").read_text("utf-8")
    .replace('every = "month"', 'every = "week"')
    .replace('{ GBP = "25.00" }', '{ EUR = "0.01", USD = "0.01" }')
    .replace("hold_days = 14", "hold_days = 2")
    .replace("GBP", "EUR")
)  # fmt: skip
SENT = "{urn:iso:std:iso:20022:tech:xsd:pain.001.001.09}"
ROLL = ("opening", "earned", "reversed", "adjusted", "paid", "closing")
CASES = 40
"""Of so many payouts each trouble has one."""

Sums = dict[str, Decimal]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def closed(
    commission: Program, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Program:
    """The program, after the month was closed."""
    set_up(monkeypatch)
    built("finance", database_url, lambda: walk(commission, tmp_path))
    return commission


def rows_of(name: str) -> list[dict[str, str]]:
    with (SHOP / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def orders(folder: Path) -> None:
    """The shop's first weeks. An order in four is in dollars, with all that reverses it."""
    folder.mkdir()
    (folder / "plan.toml").write_text(PLAN, "utf-8")
    (folder / "affiliates.csv").write_bytes((SHOP / "affiliates.csv").read_bytes())
    earned = [row for row in rows_of("earnings.csv") if row["occurred_at"] < BEGINNING]
    for row in earned:
        root = row["reverses"] or row["event_id"]
        row["currency"] = "EUR" if crc32(root.encode()) % 4 else "USD"
    referred = [row for row in rows_of("referrals.csv") if row["since"] < BEGINNING]
    for name, rows in (("earnings", earned), ("referrals", referred)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def iban(number: str) -> str:
    """A German one for an affiliate's number."""
    own = f"37040044{number:0>10}"
    return f"DE{98 - int(f'{own}131400') % 97:02}{own}"


def minor(amount: str) -> int:
    return int(amount.replace(".", ""))


def payments(path: Path) -> list[Row]:
    """What the bank was asked to pay, as it books it."""
    root = ElementTree.fromstring(path.read_bytes())
    found = []
    for number, each in enumerate(root.iter(f"{SENT}CdtTrfTxInf")):
        name, amount, payee, account = (
            str(each.findtext(f".//{SENT}{tag}"))
            for tag in ("EndToEndId", "InstdAmt", "Nm", "CdtrAcct/" + f"{SENT}Id/{SENT}IBAN")
        )
        found.append(Row(-minor(amount), name, f"B{number}", payee, account, day="2010-12-21"))
    return found


def troubled(paid: list[Row]) -> tuple[list[Row], dict[str, list[Row]]]:
    """Payments that went well, and the entries of the others by what they are to be found as."""
    well: list[Row] = []
    found: dict[str, list[Row]] = {
        name: []
        for name in (
            "paid", "returned", "partly", "amount differs", "doubled", "never sent", "unknown",
        )
    }  # fmt: skip
    for number, row in enumerate(paid):
        again = replace(row, bank=f"C{number}")
        match number % CASES:
            case 0:
                found["paid"].append(row)
                found["returned"].append(replace(again, minor=-row.minor, reason="AC04"))
            case 1 if row.minor < -1:
                found["partly"] += [replace(row, minor=-1), replace(again, minor=row.minor + 1)]
            case 2:
                found["paid"].append(row)
                found["doubled"].append(again)
                if number % (2 * CASES) == 2:  # the bank has noticed, and took one back
                    found["doubled"].append(replace(row, minor=-row.minor, bank=f"R{number}"))
            case 3:
                found["amount differs"].append(replace(row, minor=row.minor - 100))
            case 4:
                found["paid"].append(row)
                found["never sent"].append(replace(again, reference=f"po-20101219-{number:016}"))
            case 5:
                found["unknown"].append(replace(row, reference=""))
            case _:
                well.append(row)
    found["unknown"].append(Row(-490, "", "FEE", text="a fee", day="2010-12-22"))
    return well, found


def payouts_of(commission: Program) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(commission("payouts", "--json").out)
    return found


def walk(commission: Program, folder: Path) -> None:
    """From the orders to the closed month."""
    orders(folder / "in")
    assert commission("run", folder / "in", "--date", "2010-12-19").code == 0
    payouts = payouts_of(commission)
    assert Counter(each["currency"] for each in payouts) == {"EUR": 246, "USD": 146}
    people = {each["affiliate_id"] for each in payouts}
    payees = {each: f"Customer {each},sepa,{iban(each)}" for each in sorted(people)}
    path = payee_file(folder / "payees.csv", payees, "affiliate_id,payee_name,method,iban")
    assert commission("payees", "import", path).code == 0
    assert commission("payouts", "approve").code == 0
    paid = exported(commission, [each for each in payouts if each["currency"] == "EUR"])
    well, found = troubled(paid)
    told(commission, well, found)
    dollars(commission, [each for each in payouts if each["currency"] == "USD"])
    back = found["returned"]
    for date in ("2010-12-26", "2010-12-31"):
        assert commission("run", "--date", date).code == 0
    again = [each for each in payouts_of(commission) if each["created_on"] == "2010-12-26"]
    assert sum(minor(each["amount"]) for each in again) >= sum(each.minor for each in back)
    blocked = sum(len(found[name]) for name in ("partly", "amount differs", "unknown"))
    waits = blocked + len(found["doubled"]) + len(found["never sent"])
    way = blocked - len(found["partly"]) // 2 - 1
    batch = payouts_of(commission)[0]["batch"][:16]
    done = commission("close", "2010-12")
    said = done.err.splitlines()
    assert (done.code, said[:2], said[3:]) == (
        2,
        [
            f"open: {way} payouts of batch {batch} exported and neither paid nor failed",
            f"  commission reconcile FILE, or commission payouts mark paid --batch {batch}",
        ],
        [
            "  commission reconcile open",
            "error: 2010-12 cannot be closed: 2 matters open",
            "Nothing was changed.",
        ],
    )
    assert said[2].startswith(f"open: {waits} bank entries not decided: ")
    decided(commission)
    assert set(states(commission).values()) <= {"paid", "failed", "pending"}
    done = commission("close", "2010-12")
    assert done.code == 0, done.err
    assert done.err.startswith("2010-12 is closed")
    foots(commission, folder / "out")


def exported(commission: Program, payouts: list[dict[str, str]]) -> list[Row]:
    """The SEPA file of all euros, valid and whole; what it asks for."""
    done = commission("payouts", "export", "--format", "sepa", "--json")
    assert done.code == 0, done.err
    (file,) = json.loads(done.out)["files"]
    XSD.validate(file["file"])
    asked = payments(Path(file["file"]))
    assert {(row.reference, -row.minor, row.account) for row in asked} == {
        (each["payout_id"], minor(each["amount"]), iban(each["affiliate_id"])) for each in payouts
    }
    sums = ElementTree.parse(file["file"]).getroot().iter(f"{SENT}CtrlSum")
    assert [minor(str(each.text)) for each in sums] == [-sum(row.minor for row in asked)] * 2
    return asked


def told(commission: Program, well: list[Row], found: dict[str, list[Row]]) -> None:
    """The bank's statement: all that went well is one entry. Everything planted is found. What is
    booked in January keeps nothing open."""
    others = [row for rows in found.values() for row in rows]
    customer = Row(12345, "", "IN", text="an order", day="2010-12-21")
    later = Row(-77, "", "JAN", text="a fee", day="2011-01-03")
    statement = partial(camt, account=DEBTOR["IBAN"], code="EUR", opening=10**10)
    done = bank(commission, "eur.xml", statement(well, *others, customer, later))
    planted = Counter({name: len(rows) for name, rows in found.items()})
    planted["paid"] += len(well)
    assert done["found"] == planted + Counter(other=1, unknown=1)
    listed = json.loads(commission("reconcile", "open", "--all", "--json").out)
    ours = {row.bank: name for name, rows in found.items() for row in rows}
    assert {
        row["bank_reference"]: row["found"] for row in listed if row["found"] != "other"
    } == ours | {"JAN": "unknown"} | {
        f"{well[0].bank}/{place}": "paid" for place in range(1, len(well) + 1)
    }
    assert (done["marked_paid"], done["marked_failed"]) == (planted["paid"], planted["returned"])


def dollars(commission: Program, payouts: list[dict[str, str]]) -> None:
    """Those go out in the program's own table, and all arrive."""
    done = commission("payouts", "export", "--json")
    assert done.code == 0, done.err
    rows = [Row(-minor(each["amount"]), each["payout_id"], f"D{n}", day="2010-12-22")
            for n, each in enumerate(payouts)]  # fmt: skip
    assert bank(commission, "usd.xml", camt(*rows))["found"] == {"paid": len(rows)}


def decided(commission: Program) -> None:
    """A person's word on everything that waits; what is likely is what was planted."""
    payees = {
        f"Customer {each['affiliate_id']}": each["payout_id"]
        for each in payouts_of(commission)
        if each["currency"] == "EUR" and each["status"] == "exported"
    }
    words: dict[tuple[str, ...], list[int]] = {}
    for row in json.loads(commission("reconcile", "open", "--json").out):
        if row["booked_on"] > "2010-12-31":
            continue
        said: tuple[str, ...] = ("--not-ours",)
        if row["found"] == "doubled":
            said = ("--ignore", "--reason", "the bank takes it back")
        elif row["found"] in ("partly", "amount differs", "unknown") and row["payee"]:
            assert row["payout_id"] == payees[row["payee"]]
            said = ("--payout", row["payout_id"], "--reason", "the bank has confirmed it")
        words.setdefault(said, []).append(row["entry"])
    for said, entries in words.items():
        done = commission("reconcile", "decide", *entries, *said)
        assert done.code == 0, done.err


def foots(commission: Program, out: Path) -> None:
    """The roll-forward against itself, balances, statements and the journal, per currency."""
    rolled = {
        row["currency"]: {name: Decimal(row[name]) for name in ROLL}
        for row in json.loads(commission("closings", "2010-12", "--json").out)
    }
    assert set(rolled) == {"EUR", "USD"}
    statements, payable = totals(out)
    owed = balances(commission)
    for code, row in rolled.items():
        moves = row["earned"] + row["reversed"] + row["adjusted"] - row["paid"]
        assert row["opening"] == 0
        assert moves == row["closing"]
        assert {name: row[name] for name in ROLL[1:5]} == statements[code]
        assert row["closing"] == sum(owed[key] for key in owed if key[1] == code) == payable[code]
        assert min(row["earned"], -row["reversed"], row["paid"]) > 0
    words = ("closings", "2010-12", "--table", "by_affiliate", "--json")
    closings = {
        (row["affiliate_id"], row["currency"]): Decimal(row["closing"])
        for row in json.loads(commission(*words).out)
    }
    assert {key: each for key, each in closings.items() if each} == owed


def totals(out: Path) -> tuple[dict[str, Sums], Sums]:
    """What statements say was moved, and what the journal says is owed, from the files of all
    runs, by currency."""
    moved: dict[str, Sums] = {}
    owed: Sums = {}
    for path in out.glob("2010-*/statements.csv"):
        for row in csv.DictReader(io.StringIO(path.read_text("utf-8"))):
            sums = moved.setdefault(row["currency"], dict.fromkeys(ROLL[1:5], Decimal(0)))
            for name in sums:
                sums[name] += Decimal(row[name])
    for path in out.glob("2010-*/journal.csv"):
        for row in csv.DictReader(io.StringIO(path.read_text("utf-8"))):
            if row["account"] == "affiliate_payable":
                amount = Decimal(row["credit"] or 0) - Decimal(row["debit"] or 0)
                owed[row["currency"]] = owed.get(row["currency"], Decimal(0)) + amount
    return moved, owed


def test_a_month_of_a_real_shop_is_closed_and_foots(closed: Program) -> None:
    done = closed("verify")
    assert (done.code, done.err) == (0, "")
    done = closed("run", "--date", "2010-12-30")
    assert (done.code, done.err.splitlines()[0]) == (
        2, "error: 2010-12-30 cannot run: everything up to 2010-12-31 is closed",
    )  # fmt: skip
    owed = {(f"Liabilities:Affiliates:{account_of(who)}", code): -amount
            for (who, code), amount in balances(closed).items()}  # fmt: skip
    folder, _ = made(closed, "journal", "--format", "beancount")
    _, theirs = loaded(folder / "main.beancount")
    assert {key: amount for key, amount in theirs.items()
            if key[0].startswith("Liabilities") and amount} == owed  # fmt: skip
    for words, said in (
        (("closings", "2010-11"), "2010-11 is not closed"),
        (("closings", "2010-12", "--table", "x"), "a pack has no table 'x'"),
    ):
        done = closed(*words)
        assert (done.code, done.err.splitlines()[0]) == (2, f"error: {said}")


@pytest.mark.needs("hledger")
def test_hledger_has_the_balances_of_the_closed_month(closed: Program) -> None:
    folder, _ = made(closed, "journal", "--format", "hledger")
    hledger(folder, "check", "--strict")
    listed = hledger(
        folder, "balance", "liabilities", "--flat", "--no-total", "--layout=bare", "-Ocsv"
    )
    theirs = {
        (row["account"], row["commodity"]): -Decimal(row["balance"])
        for row in csv.DictReader(io.StringIO(listed))
        if Decimal(row["balance"])
    }
    assert theirs == {(f"liabilities:affiliates:{account_of(who)}", code): amount
                      for (who, code), amount in balances(closed).items()}  # fmt: skip
