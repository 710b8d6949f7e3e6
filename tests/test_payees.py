"""Payees: judged row by row, kept sealed, shown masked, sealed anew; and a secret stays one."""

import json
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from payday import ANN, BOB, KEY, NEXT_KEY, PAYEES, night, payee_file, prepared
from program import Done, Program
from test_verify import change

from commission_engine.book.connect import connect, reading
from commission_engine.book.schema_bank import payee
from commission_engine.finance.payees.details import Details, masked
from commission_engine.finance.payees.seal import Keys
from commission_engine.problems import CommissionError


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
    """The program, after a payday; nobody's account is known."""
    prepared(commission, tmp_path, database_url, monkeypatch, known=False)
    return commission


def imported(commission: Program, path: Path, *words: str) -> Done:
    return commission("payees", "import", path, *words)


def error(done: Done) -> str:
    return done.err.splitlines()[0].removeprefix("error: ")


REFUSED = {
    "zed": (PAYEES["ann"], "affiliate_id: unknown_affiliate: there is no affiliate 'zed'; ids are"
            " case-sensitive"),
    "ref-ann": (",sepa" + 13 * ",", "payee_name: bad_payee: the payee_name is empty; write the name"
                " that the account has"),
    "ref-bob": ("Bob,swift" + 13 * ",", "method: bad_payee: 'swift' is no method; write one of"
                " sepa, ach, paypal, wise, other"),
    "ref-cat": ("Cat,sepa" + 13 * ",", "iban: bad_payee: the iban is empty; sepa needs it"),
    "ref-dan": (f"Dan,sepa,{ANN[:-1]}1" + 12 * ",", "iban: bad_payee: DE…3001 is no IBAN: its check"
                " digits do not fit; a sign is wrong, or two are swapped"),
    "ref-eve": (f"Eve,sepa,{ANN[:-2]}" + 12 * ",", "iban: bad_payee: DE…0130 is no IBAN: it is too"
                " short or too long for its country"),
    "ref-fay": ("Fay,sepa,XX89370400440532013000" + 12 * ",", "iban: bad_payee: XX…3000 is no IBAN:"
                " no country with IBANs begins so"),
    "ann": (f"Ann,sepa,{ANN},COBADEF" + 11 * ",", "bic: bad_payee: 'COBADEF' is no BIC: it has 8 or"
            " 11 signs"),
    "bob": ("Bob,ach,,,021000022,12345" + 9 * ",", "routing_number: bad_payee: …0022 is no routing"
            " number: its last digit does not check the others"),
    "cat": ("Cat,ach,,,021000021,1234567890123456789" + 9 * ",", "account_number: bad_payee: …6789"
            " is no account number of ACH: it has 1 to 17 letters, digits, spaces and hyphens"),
    "dan": ("Dan,paypal,,,,,,dan.example.com" + 7 * ",", "email: bad_payee: … is no e-mail"
            " address"),
    "eve": ("Eve,wise" + 13 * ",", "email: bad_payee: the email is empty; wise needs it, or an"
            " iban, or an account_number"),
    "fay": (f"Fay,sepa,{BOB},,,,,,Rue,1,,,FR,EUR,", "town: bad_payee: the town is empty; an address"
            " has a town and a country"),
}  # fmt: skip


def test_every_row_that_cannot_be_is_refused_with_its_place(paid: Program, tmp_path: Path) -> None:
    path = payee_file(tmp_path / "p.csv", {who: row for who, (row, _) in REFUSED.items()})
    done = imported(paid, path, "--json")
    assert done.code == 3
    said = json.loads(done.out)
    assert (said["read"], said["accepted"], said["rejected"]) == (13, 0, 13)
    for line, (refused, (_, message)) in enumerate(
        zip(said["refused"], REFUSED.values(), strict=True), 2
    ):
        assert refused["line"] == line
        assert f"{refused['column']}: {refused['code']}: {refused['message']}" == message
    kept = json.loads(paid("rejects", "--json").out)
    assert {row["row"] for row in kept} == {"a row of payees is not kept: it may name an account"}
    assert error(paid("rejects", "--mend", tmp_path / "mend.csv")) == (
        "refused rows of payees are not kept, as they may name accounts"
    )
    assert error(paid("import", "payees", path)) == "payees have a command of their own"


@BOTH
def test_the_same_again_is_a_duplicate_and_two_that_differ_are_a_conflict(
    paid: Program, tmp_path: Path
) -> None:
    path = payee_file(tmp_path / "p.csv", PAYEES)
    counts = "payees: 6 read = 6 accepted + 0 duplicate + 0 rejected"
    done = imported(paid, path, "--dry-run")
    assert done.err.splitlines() == [counts, "dry run: nothing was kept"]
    assert imported(paid, path).err.splitlines() == [counts]
    rows = len(json.loads(paid("audit", "--json").out))
    again = imported(paid, path)
    assert again.err == "payees: 6 read = 0 accepted + 6 duplicate + 0 rejected\n"
    assert len(json.loads(paid("audit", "--json").out)) == rows
    with path.open("a", encoding="utf-8") as file:
        file.write(f"bob,{PAYEES['bob'].replace('Łukasz', 'Lukas')}\n")
    done = imported(paid, path, "--strict")
    assert (done.code, error(done)) == (3, (
        "2 of 7 rows are refused, so nothing was imported (--strict); the first: p.csv:3, column"
        " affiliate_id: conflict: another row of this import says something else of the same"
        " affiliate; leave one of them"
    ))  # fmt: skip
    shown = json.loads(paid("payees", "show", "--json").out)
    assert [(row["affiliate_id"], row["account"]) for row in shown] == [
        ("ann", "DE…3000"), ("bob", "FR…2606"), ("cat", "…9265"), ("dan", "d…@example.com"),
        ("eve", "e…@example.com"), ("fay", "…9911"),
    ]  # fmt: skip
    assert paid("verify").code == 0


def held(commission: Program) -> list[str]:
    done = commission("payouts", "export", "--format", "sepa", "--dry-run", "--json")
    assert done.code == 0, done.err
    return [row["why"] for row in json.loads(done.out)["held"]]


def test_nothing_is_paid_to_a_new_account_for_some_business_dates(
    paid: Program, tmp_path: Path
) -> None:
    """Changed after the run of the 5th: the runs of the 5th to the 7th pay nothing to it."""
    path = tmp_path / "p.csv"
    imported(paid, payee_file(path, PAYEES))
    assert held(paid) == []
    renamed = {"bob": PAYEES["bob"].replace("Łukasz", "Lukas")}
    imported(paid, payee_file(path, renamed))
    assert held(paid) == []  # the same account
    done = imported(paid, payee_file(path, {"bob": "Bob,sepa,NL91ABNA0417164300" + 12 * ","}))
    assert done.err.splitlines()[1:] == ["1 account changed: nothing is paid there for now"]
    why = "bob has a new account; nothing is paid to it before the run of 2026-01-08"
    assert held(paid) == [why]
    history = json.loads(paid("payees", "show", "bob", "--json").out)
    assert [(row["account"], row["change"], row["held_until"]) for row in history] == [
        ("FR…2606", "", ""), ("FR…2606", "name or address", ""),
        ("NL…4300", "account", "2026-01-08"),
    ]  # fmt: skip
    plain = paid("payouts", "export", "--dry-run").err.splitlines()
    assert sum(why in line for line in plain) == 1  # whatever the format
    for date, whys in (("2026-01-06", [why]), ("2026-01-07", [why]), ("2026-01-08", [])):
        night(paid, date)
        assert held(paid) == whys
    assert paid("verify").code == 0


@BOTH
def test_keys_are_changed_and_nothing_else(
    paid: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(paid, payee_file(tmp_path / "p.csv", PAYEES))
    (file,) = json.loads(paid("payouts", "export", "--format", "sepa", "--json").out)["files"]
    was = Path(file["file"]).read_bytes()
    monkeypatch.setenv("COMMISSION_BANK_KEY", f"{NEXT_KEY}, {KEY}")
    name = Keys.of({"COMMISSION_BANK_KEY": NEXT_KEY}).first
    said = f"6 payees and 1 file {{}} sealed anew, with the key {name}"
    dry = paid("payees", "rotate", "--dry-run").err.splitlines()
    assert dry == [said.format("would be"), "dry run: nothing was changed"]
    assert paid("payees", "rotate").err.splitlines() == [said.format("were")]
    assert paid("payees", "rotate").err.startswith(f"all is sealed with the key {name} already")
    monkeypatch.setenv("COMMISSION_BANK_KEY", NEXT_KEY)
    ann = json.loads(paid("payees", "show", "ann", "--json").out)
    old = Keys.of({"COMMISSION_BANK_KEY": KEY}).first
    assert [(row["account"], row["change"]) for row in ann] == [
        (f"sealed with key {old}", ""), ("DE…3000", "sealed anew"),
    ]  # fmt: skip
    Path(file["file"]).unlink()
    words = ("payouts", "export", "--batch", file["batch"], "--again")
    assert paid(*words).code == 0
    assert Path(file["file"]).read_bytes() == was
    assert imported(paid, tmp_path / "p.csv").err.count("6 duplicate") == 1
    assert paid("verify").code == 0


def test_a_missing_or_wrong_key_is_named(
    paid: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = payee_file(tmp_path / "p.csv", PAYEES)
    imported(paid, path)
    old = Keys.of({"COMMISSION_BANK_KEY": KEY}).first
    for value, said in (
        ("", "COMMISSION_BANK_KEY is not set: account details are kept sealed"),
        (f"{KEY},c2hvcnQ=", "COMMISSION_BANK_KEY: key 2 is not 32 bytes in base 64"),
        (NEXT_KEY, f"payee 'ann' of intake 5: sealed with the key {old}, which"
                   " COMMISSION_BANK_KEY does not hold"),
    ):  # fmt: skip
        monkeypatch.setenv("COMMISSION_BANK_KEY", value)
        done = imported(paid, path)
        assert (done.code, error(done)) == (2, said)
        assert error(paid("payouts", "export", "--format", "sepa")) == said


@pytest.mark.parametrize(
    "library", ["cryptography.hazmat.primitives.ciphers.aead", "schwifty", "pycountry"]
)
def test_the_extra_that_is_missing_is_named(
    paid: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    done = imported(paid, payee_file(tmp_path / "p.csv", PAYEES))
    assert (done.code, done.err.splitlines()) == (2, [
        "error: what judges and seals bank details is not installed",
        "Install the extra: pip install 'commission-engine[bank]'.",
    ])  # fmt: skip
    assert paid("payouts", "export", "--dry-run").code == 0


def test_what_is_sealed_opens_in_its_place_only(
    paid: Program, tmp_path: Path, database_url: str
) -> None:
    imported(paid, payee_file(tmp_path / "p.csv", PAYEES))
    with reading(connect(database_url)) as connection:
        rows = connection.execute(sa.select(payee.c.affiliate, payee.c.sealed)).all()
    assert len({sealed for _, sealed in rows}) == 6
    change(database_url, "UPDATE payee SET sealed = (SELECT sealed FROM payee ORDER BY affiliate"
           " DESC LIMIT 1)")  # fmt: skip
    done = paid("payees", "show")
    assert (done.code, error(done)) == (1, (
        "payee 'ann' of intake 5: what is sealed there was altered, or belongs elsewhere"
    ))  # fmt: skip
    assert "audit: table payee has other rows" in paid("verify").err
    keys = Keys.of({"COMMISSION_BANK_KEY": KEY})
    with pytest.raises(CommissionError, match="belongs elsewhere"):
        keys.open(keys.seal(b"x", "here"), "there")
    assert KEY not in repr(keys)


def test_a_secret_is_found_nowhere_in_clear(
    paid: Program, tmp_path: Path, database_url: str
) -> None:
    """In right and wrong rows, in wrong columns, in the place of a header: whatever is said, and
    whatever is on the disk afterwards, has none of it but the files to pay."""
    secrets = (ANN, "DE8937040044", "0532013000", BOB, "314159265", "dan@example.com", "55779911")
    outputs = []

    def said(*words: object) -> Done:
        done = paid(*words)
        outputs.append(done.out + done.err)
        return done

    rows = {**PAYEES, "zed": PAYEES["ann"], ANN: PAYEES["ann"], "ref-ann": f"{ANN},{ANN},{ANN}x"
            + 12 * ",", "ref-bob": f"B,sepa,{ANN}" + ",314159265" * 12, "ref-cat": "C,ach,,,"
            "314159265,0532013000,314159265,dan@example.com" + 7 * ",", "ref-dan": f"D,{BOB}",
            "ref-eve": f"{BOB}\x07,sepa,{BOB}" + 12 * ","}  # fmt: skip
    file = payee_file(tmp_path / "p.csv", rows)
    assert said("payees", "import", file).code == 3
    assert said("payees", "import", file, "--json").code == 3
    said("payees", "import", file, "--strict")
    bare = payee_file(tmp_path / "bare.csv", {"bob": PAYEES["bob"]}, f"ann,{PAYEES['ann']}")
    assert said("payees", "import", bare).code == 1
    file.unlink()
    bare.unlink()
    for words in (
        ("payees", "show"), ("payees", "show", "ann", "--json"), ("payees", "rotate", "--json"),
        ("rejects", "--json"), ("audit", "--json"), ("config", "show"), ("payouts", "--json"),
        ("payouts", "export", "--format", "sepa", "--dry-run", "--json"),
        ("payouts", "export", "--format", "sepa"), ("payouts", "export", "--format", "nacha"),
        ("payouts", "export", "--format", "wise", "--json"), ("run", "--date", "2026-01-06"),
        ("explain", "ann"), ("verify",), ("status",), ("db", "dump", "book.zip"),
    ):  # fmt: skip
        said(*words)
    assert paid("db", "restore", "book.zip", "--database", f"sqlite:///{tmp_path}/two.db").code == 0
    book = Path(database_url.removeprefix("sqlite:///"))
    places = [*book.parent.glob(f"{book.name}*"), *tmp_path.rglob("*")]
    kept = {str(path): path.read_bytes() for path in places
            if path.is_file() and path.parent.name != "payments"}  # fmt: skip
    assert len(kept) >= 10
    payments = b"".join(path.read_bytes() for path in (tmp_path / "out/payments").iterdir())
    for secret in secrets[:5]:
        assert secret.encode() in payments  # so it was there to be found
    for secret in secrets:
        assert [text for text in outputs if secret in text] == []
        assert [name for name, content in kept.items() if secret.encode() in content] == []


def test_what_may_be_seen_of_a_value() -> None:
    seen = {
        ("iban", ANN): "DE…3000", ("iban", "DE8937"): "…", ("account_number", "12345678"): "…5678",
        ("account_number", "1234567"): "…", ("routing_number", "021000021"): "…0021",
        ("email", "ann@example.com"): "a…@example.com", ("email", "ann"): "…",
        ("street_name", "Hauptstraße"): "…", ("branch", "Main"): "…", ("town", "Berlin"): "Berlin",
    }  # fmt: skip
    assert {key: masked(*key) for key in seen} == seen
    details = Details("Ann", "sepa", ANN, extra={"branch": "Main"})
    assert details.shown() == {
        "payee_name": "Ann", "method": "sepa", "iban": "DE…3000", "branch": "…",
    }  # fmt: skip
    assert repr(details) == "Details(sepa, DE…3000)"
    assert Details.of(details.sealable) == details
