"""Files for banks from approved payouts: exact bytes, valid by others' rules, made once."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import achkit
import pytest
import sepaxml
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from payday import ANN, BOB, DEBTOR, night, payday, payee_file, prepared, set_up
from program import Program
from test_verify import change

from commission_engine.calendar import date_of, day_of
from commission_engine.debtor import Debtor
from commission_engine.finance.bank.days import is_fed_day, is_target_day
from commission_engine.finance.bank.form import BankFormat, File, Limits, Payment
from commission_engine.finance.bank.nacha import Nacha
from commission_engine.finance.bank.preflight import parted, sharing, why_not
from commission_engine.finance.bank.providers import PayPal, Wise
from commission_engine.finance.bank.sepa import Sepa
from commission_engine.finance.bank.template import read_template
from commission_engine.finance.payees.details import Details
from commission_engine.payouts import export as exporting
from commission_engine.problems import UsageError

XSD = xmlschema.XMLSchema(Path(sepaxml.__file__).parent / "schemas/pain.001.001.09.xsd")
TEMPLATE = """\
method = "other"
currencies = ["USD"]
separator = ";"
decimal_point = ","
date = "%d.%m.%Y"
latin = true
[[column]]
name = "Day"
value = "payout.execution_day"
[[column]]
name = "From"
value = "debtor.iban"
[[column]]
name = "Name"
value = "payee.payee_name"
required = true
most = 20
[[column]]
name = "Sort code"
value = "payee.routing_number"
[[column]]
name = "Branch"
value = "payee.branch"
[[column]]
name = "Amount"
value = "payout.amount"
[[column]]
name = "Purpose"
constant = "COMMISSION"
[[column]]
name = "Reference"
value = "payout.reference"
"""
SEPA = """\
<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09">
<CstmrCdtTrfInitn>
<GrpHdr><MsgId>{batch}-sepa</MsgId><CreDtTm>2026-01-05T00:00:00</CreDtTm><NbOfTxs>2</NbOfTxs>\
<CtrlSum>37.50</CtrlSum><InitgPty><Nm>Acme GmbH</Nm></InitgPty></GrpHdr>
<PmtInf>
<PmtInfId>{batch}-sepa</PmtInfId><PmtMtd>TRF</PmtMtd><BtchBookg>true</BtchBookg>\
<NbOfTxs>2</NbOfTxs><CtrlSum>37.50</CtrlSum><PmtTpInf><SvcLvl><Cd>SEPA</Cd></SvcLvl></PmtTpInf>\
<ReqdExctnDt><Dt>2026-01-06</Dt></ReqdExctnDt>
<Dbtr><Nm>Acme GmbH</Nm><PstlAdr><TwnNm>Berlin</TwnNm><Ctry>DE</Ctry></PstlAdr></Dbtr>
<DbtrAcct><Id><IBAN>DE75512108001245126199</IBAN></Id></DbtrAcct><DbtrAgt><FinInstnId><Othr>\
<Id>NOTPROVIDED</Id></Othr></FinInstnId></DbtrAgt><ChrgBr>SLEV</ChrgBr>
<CdtTrfTxInf><PmtId><EndToEndId>po-20260105-ki071e7tufbl4ofj</EndToEndId></PmtId><Amt>\
<InstdAmt Ccy="EUR">25.00</InstdAmt></Amt><CdtrAgt><FinInstnId><BICFI>COBADEFFXXX</BICFI>\
</FinInstnId></CdtrAgt><Cdtr><Nm>Ann Archer</Nm><PstlAdr><StrtNm>Hauptstrasse</StrtNm>\
<BldgNb>5</BldgNb><PstCd>10115</PstCd><TwnNm>Berlin</TwnNm><Ctry>DE</Ctry></PstlAdr></Cdtr>\
<CdtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></CdtrAcct><RmtInf>\
<Ustrd>acme po-20260105-ki071e7tufbl4ofj</Ustrd></RmtInf></CdtTrfTxInf>
<CdtTrfTxInf><PmtId><EndToEndId>po-20260105-vud3t7v8t2sk8nob</EndToEndId></PmtId><Amt>\
<InstdAmt Ccy="EUR">12.50</InstdAmt></Amt><Cdtr><Nm>Lukasz Sohne</Nm></Cdtr><CdtrAcct><Id>\
<IBAN>FR1420041010050500013M02606</IBAN></Id></CdtrAcct><RmtInf>\
<Ustrd>acme po-20260105-vud3t7v8t2sk8nob</Ustrd></RmtInf></CdtTrfTxInf>
</PmtInf>
</CstmrCdtTrfInitn>
</Document>
"""
NACHA = """\
101 02100002112345678902601050000A094101A BANK                 ACME GMBH                      
5220ACME GMBH                           1987654321PPDCOMMISSION260105260106   1021000020000001
632021000021314159265        00000004000BK1UNBPEGC404ICAT COOK                0021000020000001
822000000100021000020000000000000000000004001987654321                         021000020000001
9000001000001000000010002100002000000000000000000000400                                       
"""  # noqa: W291 (columns of a fixed width)
PAYPAL = {
    "EUR": 'dan@example.com,8.00,EUR,{dan},"Payout of acme, 2026-01-05",PAYPAL\n',
    "USD": 'dan@example.com,9.99,USD,{dan},"Payout of acme, 2026-01-05",PAYPAL\n',
}
WISE = """\
name,recipientEmail,paymentReference,receiverType,amount,amountCurrency,sourceCurrency,\
targetCurrency,type,IBAN,BIC,abartn,accountNumber,accountType,addressFirstLine,addressCity,\
addressPostCode,addressCountryCode
Eve Ek,eve@example.com,{eve},PERSON,7.10,target,EUR,EUR,email,,,,,,,,,
"""
OWN = """\
Day;From;Name;Sort code;Branch;Amount;Purpose;Reference
06.01.2026;DE75512108001245126199;Fay Fox;20-00-00;Main;1234,50;COMMISSION;{fay}
"""


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh migrated book, in SQLite where a test does not ask for more."""
    url: str = request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url")
    return url


BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def paid(
    commission: Program, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Program:
    """The program, after a payday of people whose accounts are known."""
    prepared(commission, tmp_path, database_url, monkeypatch, known=True)
    return commission


def exported(commission: Program, form: str, *words: str) -> dict[str, Any]:
    done = commission("payouts", "export", "--format", form, "--json", *words)
    assert done.code == 0, done.err
    said: dict[str, Any] = json.loads(done.out)
    return said


def refused(commission: Program, form: str, *words: str) -> str:
    done = commission("payouts", "export", "--format", form, *words)
    assert (done.code, done.out) == (2, ""), done.out
    return done.err.splitlines()[0].removeprefix("error: ")


@BOTH
def test_every_format_has_these_bytes(paid: Program, tmp_path: Path) -> None:
    """Once each; dry runs before them name the same hashes; the book agrees with all."""
    folder = tmp_path / "config/payment_templates"
    folder.mkdir(parents=True)
    (folder / "own.toml").write_text(TEMPLATE, "utf-8")
    payouts = json.loads(paid("payouts", "--json").out)
    ids = {f"{row['affiliate_id']} {row['currency']}": row["payout_id"] for row in payouts}
    batch = payouts[0]["batch"][:16]
    content: dict[str, list[str]] = {}
    for form in ("sepa", "nacha", "paypal", "wise", "own"):
        foreseen = exported(paid, form, "--dry-run")
        done = exported(paid, form)
        hashes = [[each["sha256"] for each in said["files"]] for said in (foreseen, done)]
        assert hashes[0] == hashes[1]
        assert (done["held"], exported(paid, form)["files"]) == ([], [])
        content[form] = [Path(each["file"]).read_text("utf-8") for each in done["files"]]
    assert content["sepa"] == [SEPA.format(batch=batch)]
    XSD.validate(content["sepa"][0])
    assert content["nacha"] == [NACHA + ("9" * 94 + "\n") * 5]
    assert achkit.validate(content["nacha"][0]) == {"ok": True, "errors": []}
    assert content["paypal"] == [text.format(dan=ids[f"dan {code}"])
                                 for code, text in PAYPAL.items()]  # fmt: skip
    assert content["wise"] == [WISE.format(eve=ids["eve EUR"][-15:].upper())]
    assert content["own"] == [OWN.format(fay=ids["fay USD"])]
    names = sorted(path.name for path in (tmp_path / "out/payments").iterdir())
    assert names == sorted(f"payments-{batch}-{end}" for end in (
        "sepa.xml", "nacha-2.ach", "paypal-3.csv", "paypal-4.csv", "wise-5.csv", "own-6.csv"
    ))  # fmt: skip
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "out/payments").iterdir()}
    assert modes == {0o600}
    assert {row["status"] for row in json.loads(paid("payouts", "--json").out)} == {"exported"}
    assert paid("verify").code == 0


def test_what_fails_stays_approved_and_the_rest_is_paid(paid: Program, tmp_path: Path) -> None:
    path = payee_file(tmp_path / "q.csv", {
        "bob": "☃,sepa,NL91ABNA0417164300" + 12 * ",",
        "dan": "Dan,sepa,GB82WEST12345698765432" + 12 * ",",
        "eve": f"Eve,sepa,{ANN}" + 12 * ",",
    })  # fmt: skip
    assert paid("payees", "import", path).code == 0
    earned = (("ann", "6.00", "EUR"), ("guy", "5.00", "EUR"), ("hal", "3.00", "EUR"))
    payday(paid, tmp_path, earned, "2026-01-08")
    guy = payee_file(tmp_path / "r.csv", {"guy": f"Guy,sepa,{BOB}" + 12 * ","})
    assert paid("payees", "import", guy).code == 0
    for words in (("--dry-run",), ()):
        done = paid("payouts", "export", "--format", "sepa", *words)
        said = [re.sub(r"po-\d+-\w+", "PO", line) for line in done.err.splitlines()]
        assert said[: -1 if words else -2] == [
            "held back: PO: ann has the same account as eve",
            "held back: PO: bob: payee_name: nothing of it can be written in the letters that sepa"
            " takes",
            "held back: PO: dan: bic: it is empty, and needed for an account outside of the EEA",
            "held back: PO: dan: sepa takes EUR, and this is USD",
            "held back: PO: eve has the same account as ann",
            "held back: PO: ann has the same account as eve",
            "held back: PO: hal has no account: commission payees import FILE",
            "not for this format: 1 payout by ach",
            "not for this format: 1 payout by other",
        ]
        assert "EUR 5.00 in 1 payout" in done.err  # fmt: skip
    assert paid("verify").code == 0


def payment(minor: int = 100, code: str = "EUR", **details: Any) -> Payment:
    given = {"payee_name": "Ann", "method": "sepa", "iban": ANN, **details}
    return Payment("po-20260105-ki071e7tufbl4ofj", "ann", code, minor, 2, 20458, Details(**given))


ACH: dict[str, Any] = {
    "method": "ach",
    "iban": "",
    "routing_number": "021000021",
    "account_number": "1",
}
ADDRESS: dict[str, Any] = {"town": "Ay", "country": "FR"}
OWN_FORM = "own"


@pytest.mark.parametrize(
    ("form", "found", "why"),
    [
        (Sepa(), payment(), ""),
        (Sepa(), payment(currency="USD"), "ann is to be paid in USD, and this is EUR"),
        (Sepa(), payment(code="USD"), "ann: sepa takes EUR, and this is USD"),
        (Sepa(), payment(iban=ANN[:-1] + "1"), "ann: iban: DE…3001 is no IBAN: its check digits do"
         " not fit; a sign is wrong, or two are swapped"),
        (Sepa(), payment(iban="DE8937040044053201300A"), "ann: iban: DE…300A is no IBAN: it has"
         " signs where its country has none such"),
        (Sepa(), payment(iban="BR1800360305000010009795493C1"),
         "ann: iban: SEPA does not reach its country"),
        (Sepa(), payment(bic="COBAXXFF"), "ann: bic: 'COBAXXFF' is no BIC: its fifth and sixth sign"
         " are no country"),
        (Sepa(), payment(iban="GB82WEST12345698765432"),
         "ann: bic: it is empty, and needed for an account outside of the EEA"),
        (Sepa(), payment(payee_name="☃ 😀"), "ann: payee_name: nothing of it can be written in the"
         " letters that sepa takes"),
        (Sepa(), payment(payee_name="a" * 71), "ann: payee_name: it has 71 letters where sepa takes"
         " 70"),
        (Sepa(), payment(**ADDRESS, postcode="1" * 17), "ann: postcode: it has 17 letters where"
         " sepa takes 16"),
        (Sepa(), payment(town="☃", country="FR"), "ann: town: nothing of it can be written in the"
         " letters that sepa takes"),
        (Sepa(), payment(town="Ay"), "ann: country: the country is empty; an address has a town and"
         " a country"),
        (Sepa(), payment(town="Ay", country="XX"), "ann: country: 'XX' is no country; write the two"
         " capitals of ISO 3166, such as DE"),
        (Sepa(), payment(100_000_000_000), "ann: 1000000000.00 is more than sepa takes in one"
         " payment, 999999999.99"),
        (Nacha(), payment(code="USD", **ACH), ""),
        (Nacha(), payment(code="USD", **{**ACH, "routing_number": "021000022"}), "ann:"
         " routing_number: …0022 is no routing number: its last digit does not check the others"),
        (Nacha(), payment(code="USD", **{**ACH, "account_type": "joint"}), "ann: account_type:"
         " 'joint' is no account_type; write checking or savings"),
        (Nacha(), payment(10_000_000_000, "USD", **ACH), "ann: 100000000.00 is more than nacha"
         " takes in one payment, 99999999.99"),
        (Nacha(), payment(code="USD", **{**ACH, "payee_name": "☃"}), "ann: payee_name: nothing of"
         " it can be written in the letters that nacha takes"),
        (PayPal(), payment(150, "HUF", method="paypal", email="a@b.eu"),
         "ann: 1.50: paypal pays HUF in whole amounts only"),
        (PayPal(), payment(code="KES", method="paypal", email="a@b.eu"),
         "ann: paypal takes other currencies, and this is KES"),
        (Wise(), payment(payee_name="=A1", method="wise"), "ann: payee_name: it begins with '=',"
         " which a spreadsheet would compute"),
        (Wise(), payment(code="POINTS", method="wise"),
         "ann: wise takes other currencies, and this is POINTS"),
        (OWN_FORM, payment(code="USD", method="other", payee_name="a" * 21),
         "ann: payee_name: it has 21 letters where own takes 20"),
        (OWN_FORM, payment(code="USD", method="other", payee_name="☃"),
         "ann: payee_name: it is empty, and own needs it"),
        (OWN_FORM, payment(code="USD", method="other", extra={"branch": "+1"}),
         "ann: branch: it begins with '+', which a spreadsheet would compute"),
    ],
)  # fmt: skip
def test_why_a_payment_is_not_in_a_file(
    form: BankFormat | str, found: Payment, why: str, tmp_path: Path
) -> None:
    if isinstance(form, str):
        (tmp_path / "own.toml").write_text(TEMPLATE, "utf-8")
        form = read_template(form, tmp_path)
    assert why_not(form, found, {}, Debtor()) == why


def test_who_shares_an_account() -> None:
    one, other = Details("A", "sepa", ANN), Details("B", "sepa", BOB)
    people = {"ann": one, "bob": other, **dict.fromkeys(("cat", "dan", "eve", "fay"), one),
              "guy": Details("G", "paypal", email="A@b.eu"), "joe": Details("J", "wise",
              email="a@b.eu"), "kim": Details("K", "other"),
              "leo": Details("L", "other")}  # fmt: skip
    shared = sharing(people)
    assert shared["guy"] == ["joe"]
    assert shared.keys() == {"ann", "cat", "dan", "eve", "fay", "guy", "joe"}
    assert why_not(Sepa(), payment(), shared, Debtor()) == (
        "ann has the same account as cat, dan, eve and 1 more"
    )
    assert why_not(Sepa(), payment(), shared, Debtor(shared_accounts="pay")) == ""


def test_what_is_asked_for_has_to_be_possible(
    paid: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for form, words, said in (
        ("sepa", ("--on", "2026-01-10"), "--on: banks do not pay sepa on 2026-01-10"),
        ("sepa", ("--on", "2026-01-05"), "--on: 2026-01-05 is not after the last run, of"
         " 2026-01-05"),
        ("nacha", ("--on", "2026-01-19"), "--on: banks do not pay nacha on 2026-01-19"),
        ("paypal", ("--on", "2026-01-07"), "--on: there is no day in files of the format paypal"),
        ("csv", ("--on", "2026-01-07"), "--on: there is no day in files of the format csv"),
        ("own", (), "there is no format 'own': config/payment_templates/own.toml is not there"),
        ("../x", (), "there is no format '../x': config/payment_templates/../x.toml is not there"),
    ):  # fmt: skip
        assert refused(paid, form, *words) == said
    for form, name, value, said in (
        ("sepa", "IBAN", "", "bank.iban is not set"),
        ("sepa", "IBAN", ANN[:-1] + "1", "bank.iban is no IBAN: its check digits do not fit; a sign"
         " is wrong, or two are swapped"),
        ("sepa", "BIC", "COBA", "bank.bic is no BIC: it has 8 or 11 signs"),
        ("sepa", "NAME", "", "bank.name is not set"),
        ("sepa", "COUNTRY", "", "bank.town and bank.country are set both, or none of them"),
        ("nacha", "ACH_ROUTING", "123", "bank.ach_routing is no routing number: it has nine"
         " digits"),
        ("nacha", "ACH_ORIGIN", "", "bank.ach_origin is not 1 to 10 letters and digits, as the bank"
         " gives them"),
        ("nacha", "COOL_OFF_DAYS", "-1", "COMMISSION_BANK_COOL_OFF_DAYS: bank.cool_off_days: '-1'"
         " is not a whole number from 0 to 365"),
        ("nacha", "SHARED_ACCOUNTS", "x", "COMMISSION_BANK_SHARED_ACCOUNTS: bank.shared_accounts:"
         " 'x' is none of refuse, pay"),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setenv(f"COMMISSION_BANK_{name}", value)
            assert refused(paid, form) == said
    assert {row["status"] for row in json.loads(paid("payouts", "--json").out)} == {"approved"}
    assert exported(paid, "sepa", "--on", "2026-01-09")["files"][0]["payouts"] == 2
    assert "<Dt>2026-01-09</Dt>" in next((tmp_path / "out/payments").iterdir()).read_text()


@pytest.mark.parametrize(
    ("change_", "said"),
    [
        (('separator = ";"', 'separator = ";;"'), "separator: ';;' is not one character"),
        (("latin = true", "lation = true"), "lation: there is no such key"),
        (("latin = true", "latin = 1"), "latin: 1 is not a bool"),
        (('method = "other"', 'method = "bank"'), "method: 'bank' is none of sepa, ach, paypal,"
         " wise, other"),
        (("%d.%m.%Y", "%H"), "date: '%H' is not such as \"%d.%m.%Y\", of %d, %m, %y and %Y"),
        (("payout.amount", "payout.sum"), "column 6, 'Amount': 'payout.sum' is no value; write one"
         " of payout.reference, payout.short_reference, payout.amount, payout.amount_minor,"
         " payout.currency, payout.created_on, payout.execution_day, payout.affiliate_id,"
         " file.reference, payee.COLUMN, debtor.SETTING"),
        (("payout.reference", "payout.currency"), "column: none has the value payout.reference or"
         " payout.short_reference, by which what comes back is told"),
        (('constant = "COMMISSION"', ""), "column 7, 'Purpose': write either value or constant"),
        (('name = "Day"\n', ""), "column 1: it has no name"),
    ],
)  # fmt: skip
def test_a_wrong_template_is_refused(tmp_path: Path, change_: tuple[str, str], said: str) -> None:
    (tmp_path / "own.toml").write_text(TEMPLATE.replace(*change_), "utf-8")
    with pytest.raises(UsageError) as wrong:
        read_template("own", tmp_path)
    assert wrong.value.message == f"{tmp_path}/own.toml: {said}"


# -- several files, and the end of a process


def test_a_limit_makes_several_files_all_or_none(
    commission: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,001 of Wise are two files; what stops one stops both."""
    set_up(monkeypatch)
    people = [f"a{n:04}" for n in range(1001)]
    payday(commission, tmp_path, tuple((each, "2.00", "EUR") for each in people))
    rows = {each: f"A,wise,,,,,,{each}@example.com" + 7 * "," for each in people}
    assert commission("payees", "import", payee_file(tmp_path / "p.csv", rows)).code == 0
    files = exported(commission, "wise")["files"]
    assert [(each["payouts"], each["totals"]) for each in files] == [
        (1000, {"EUR": "2000.00"}), (1, {"EUR": "2.00"}),
    ]  # fmt: skip
    assert [Path(each["file"]).read_text().count("\n") for each in files] == [1001, 2]
    batch = files[0]["batch"][:16]
    assert [Path(each["file"]).name for each in files] == [
        f"payments-{batch}-wise.csv", f"payments-{batch}-wise-2.csv",
    ]  # fmt: skip
    assert commission("verify").code == 0


def test_payments_are_parted_by_rows_sums_and_currencies() -> None:
    amounts = [("EUR", 5), ("USD", 6), ("EUR", 5), ("EUR", 5), ("USD", 1)]
    assert parted(amounts, Limits(2)) == [[0, 2], [3], [1, 4]]
    assert parted(amounts, Limits(9, 10)) == [[0, 2], [3], [1, 4]]
    assert parted(amounts, Limits(9, None, one_currency=False)) == [[0, 1, 2, 3, 4]]
    assert parted([], Limits(2)) == []


class Killed(BaseException):
    """The end of a process."""


@pytest.mark.parametrize("step", ["_put_aside", "_written", "_appear"])
def test_a_killed_export_is_finished_with_the_same_bytes(
    paid: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whatever has changed since: the account, the settings, the last run."""
    wanted = exported(paid, "sepa", "--dry-run")["files"][0]

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(exporting, step, killed)
        with pytest.raises(Killed):
            paid("payouts", "export", "--format", "sepa")
    folder = tmp_path / "out/payments"
    assert not [*folder.glob("payments-*")]
    moved = payee_file(tmp_path / "q.csv", {"ann": "A,sepa,NL91ABNA0417164300" + 12 * ","})
    assert paid("payees", "import", moved).code == 0
    monkeypatch.setenv("COMMISSION_BANK_NAME", "Another")
    night(paid, "2026-01-06")
    done = exported(paid, "csv")["files"]
    assert [(each["format"], each["came"]) for each in done] == [
        ("sepa", "written"), ("csv", "written"),
    ]  # fmt: skip
    assert done[0]["sha256"] == wanted["sha256"]
    content = Path(done[0]["file"]).read_text("utf-8")
    assert (ANN in content, "Another" in content) == (True, False)
    assert exported(paid, "sepa")["files"] == []
    assert paid("verify").code == 0


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE payment_file SET sha256 = 'f'", "what is sealed of it does not give its hash"),
        ("UPDATE file_content SET sealed = (SELECT sealed FROM payee LIMIT 1)",
         "what is sealed there was altered, or belongs elsewhere"),
        ("DELETE FROM file_content", "it has no content"),
        ("UPDATE payment_format SET format = 'nacha'",
         "audit: table payment_format has other rows"),
        ("UPDATE payee SET account_intake = 1 WHERE affiliate = 1", "its account is of intake 1"),
        ("DELETE FROM payout_step WHERE step = 'exported' AND affiliate = (SELECT min(affiliate)"
         " FROM payout_step WHERE step = 'exported')", "it does not pay what was exported with it"),
    ],
)  # fmt: skip
def test_verify_finds_what_was_altered(
    paid: Program, database_url: str, statement: str, found: str
) -> None:
    exported(paid, "sepa")
    change(database_url, statement)
    proved = paid("verify")
    assert proved.code == 5
    assert found in proved.out + proved.err


# -- laws


NAMES = st.text(min_size=1, max_size=60)
AMOUNTS = st.integers(1, 9_999_999_999)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(NAMES, AMOUNTS), min_size=1, max_size=25))
def test_whatever_passes_makes_a_file_that_others_find_valid(
    people: list[tuple[str, int]],
) -> None:
    debtor = replace(Debtor(), **{name.lower(): value for name, value in DEBTOR.items()})
    for form, code, more in ((Sepa(), "EUR", ADDRESS), (Nacha(), "USD", ACH)):
        found = [payment(minor, code, **{**more, "payee_name": name}) for name, minor in people]
        passed = [each for each in found if not form.fault(each)]
        if not passed:
            continue
        content = form.bytes_of(File(passed, "r-1", "acme", debtor, 20458, 20459, 0))
        if code == "EUR":
            XSD.validate(content.decode("utf-8"))
        else:
            assert achkit.validate(content.decode("ascii")) == {"ok": True, "errors": []}
            total = sum(each.amount_minor for each in passed)
            assert achkit.parse(content.decode())["control"]["total_credit"] == total


def test_days_on_which_banks_pay() -> None:
    first = day_of(date_of(20454))  # 2026-01-01, a Thursday
    year = range(first, first + 365)
    weekdays = [day for day in year if date_of(day).weekday() < 5]
    assert [str(date_of(day))[5:] for day in weekdays if not is_target_day(day)] == [
        "01-01", "04-03", "04-06", "05-01", "12-25",
    ]  # fmt: skip
    assert [str(date_of(day))[5:] for day in weekdays if not is_fed_day(day)] == [
        "01-01", "01-19", "02-16", "05-25", "06-19", "09-07", "10-12", "11-11", "11-26", "12-25",
    ]  # fmt: skip
    assert not any(is_target_day(day) or is_fed_day(day) for day in year if day not in weekdays)
