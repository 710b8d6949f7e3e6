"""Exports for finance: the same rows in every format, proved from the disk, and never changed."""

import csv
import json
import subprocess
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from program import EARNINGS, HEADER, Done, Program, shop, tree
from test_verify import change

from commission_engine.finance.exports import formats, proof, rows, workbook
from commission_engine.finance.exports.formats import Format
from commission_engine.finance.exports.shape import hashed
from commission_engine.finance.exports.tables import LINES, TABLES
from commission_engine.problems import OutOfBalance

FORMATS = [str(each) for each in Format]
NAMES = [table.name for table in TABLES]

WORLD = """\
name = "world"
[units]
BTC = 8
POINTS = 0
[payout]
every = "day"
minimum = { USD = "100.00" }
[[terms]]
from = 2026-01-01
hold_days = 1
level = [{ level = 0, rate = "100%" }, { level = 1, rate = "12.5%" }]
"""
LARGE = HEADER + (
    "b1,bob,2026-01-05,0.00000001,BTC,\n"
    "b2,bob,2026-01-05,9999999999.99999999,BTC,\n"
    "j1,bob,2026-01-05,999999999999999,JPY,\n"
    "k1,bob,2026-01-05,0.005,KWD,\n"
    "k2,bob,2026-01-05,123456789012.345,KWD,\n"
    "p1,bob,2026-01-06,7,POINTS,\n"
    "u1,bob,2026-01-06,12.34,USD,\n"
    "k3,bob,2026-01-06,-0.005,KWD,k1\n"
)


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh migrated book, in SQLite where a test does not ask for more."""
    url: str = request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url")
    return url


BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


BUILT: dict[str, bytes] = {}


def built(name: str, url: str, build: Callable[[], None]) -> None:
    """A book that several tests begin with; in SQLite it is made once and copied."""
    path = Path(url.removeprefix("sqlite:///"))
    if name in BUILT and url.startswith("sqlite"):
        path.write_bytes(BUILT[name])
        return
    build()
    if url.startswith("sqlite"):
        BUILT[name] = path.read_bytes()


@pytest.fixture
def acme(commission: Program, tmp_path: Path, database_url: str) -> None:
    """Two runs: what ann earned in January, and a refund in February."""

    def build() -> None:
        assert commission("run", shop(tmp_path / "in"), "--date", "2026-01-31").code == 0
        assert commission("run", "--date", "2026-02-28").code == 0

    built("acme", database_url, build)


@pytest.fixture
def world(commission: Program, tmp_path: Path, database_url: str) -> None:
    """Every number of decimals, at both ends of what an amount may be."""

    def build() -> None:
        folder = shop(tmp_path / "in", LARGE, WORLD)
        for date in ("2026-01-05", "2026-01-06", "2026-01-07"):
            assert commission("run", folder, "--date", date).code == 0

    built("world", database_url, build)


def made(commission: Program, *words: Any) -> tuple[Path, Mapping[str, Any]]:
    """The folder of an export, and what its manifest says."""
    done = commission("export", *words, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    folder = Path(told["folder"])
    assert json.loads((folder / "manifest.json").read_text("utf-8")) == told["manifest"]
    return folder, told["manifest"]


def refused(done: Done) -> tuple[int, str]:
    assert done.out == ""
    return done.code, done.err.splitlines()[0].removeprefix("error: ")


def table_in(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# -- what is in them


HOLDS = {
    "statements": """\
statement_id,period_from,period_to,affiliate_id,currency,opening,earned,reversed,adjusted,paid,closing,held,available
st-20260131-9g2lepkkaesel3k0,2026-01-05,2026-01-31,ann,USD,0.00,100.00,0.00,0.00,100.00,0.00,0.00,0.00
st-20260131-966edj5teiv34h6v,2026-01-20,2026-01-31,bob,USD,0.00,20.00,0.00,0.00,20.00,0.00,0.00,0.00
st-20260228-lu08mr3k4iqfauqm,2026-02-01,2026-02-28,ann,USD,0.00,0.00,-10.00,0.00,0.00,-10.00,0.00,-10.00
""",
    "payouts": """\
payout_id,statement_id,affiliate_id,name,currency,amount,created_on,status,batch,note,paid_currency,paid_amount,converted
po-20260131-m7dl9jtfp029bqgi,st-20260131-9g2lepkkaesel3k0,ann,,USD,100.00,2026-01-31,pending,,,USD,100.00,
po-20260131-e23q0903hq5tef0b,st-20260131-966edj5teiv34h6v,bob,,USD,20.00,2026-01-31,pending,,,USD,20.00,
""",
    "balances": """\
as_of,affiliate_id,currency,held,available,balance
2026-02-28,ann,USD,0.00,-10.00,-10.00
""",
}  # fmt: skip


def test_an_export_says_what_the_book_holds(commission: Program, acme: None) -> None:
    for name, content in HOLDS.items():
        folder, _ = made(commission, name)
        assert (folder / f"{name}.csv").read_text("utf-8") == content


@BOTH
def test_lines_and_journal_are_those_that_the_runs_have_published(
    commission: Program, tmp_path: Path
) -> None:
    """Also where events came in another order than that in which they are processed."""
    folder = shop(tmp_path / "in", HEADER + "z9,cat,2026-01-20T10:00:00Z,1.00,USD,\n")
    assert commission("run", folder, "--date", "2026-01-19").code == 0
    folder = shop(tmp_path / "in", EARNINGS + "a1,cat,2026-01-20T10:00:00Z,7.77,USD,\n")
    for date in ("2026-01-20", "2026-02-28"):
        assert commission("run", folder, "--date", date).code == 0
        for name in ("lines", "journal", "statements"):
            exported, _ = made(commission, name, "--run", date)
            published = tmp_path / "out" / date / f"{name}.csv"
            assert (exported / published.name).read_bytes() == published.read_bytes()


def test_every_format_has_the_same_rows_and_sums(commission: Program, world: None) -> None:
    for name in NAMES:
        _same_in_every_format(commission, name)


def _same_in_every_format(commission: Program, name: str) -> None:
    """Recomputed here from the CSV alone, and compared with what the other formats say."""
    found = {each: made(commission, name, "--format", each) for each in FORMATS}
    folder, manifest = found["csv"]
    table = next(table for table in TABLES if table.name == name)
    rows_ = table_in(folder / f"{name}.csv")
    totals: dict[str, dict[str, Decimal]] = {}
    for row in rows_:
        mine = totals.setdefault(row["currency"], dict.fromkeys(table.summed, Decimal(0)))
        for column in table.summed:
            mine[column] += Decimal(row[column])
    assert manifest["rows"] == len(rows_) > 0
    told = {
        code: {column: Decimal(amount) for column, amount in sums.items()}
        for code, sums in manifest["totals"].items()
    }
    assert told == totals
    total = sum(int(sha256(row[table.payee].encode()).hexdigest()[:16], 16) for row in rows_)
    assert manifest["hash_total"] == f"{total % 2**64:016x}"
    for each, (place, said) in found.items():
        assert {key: said[key] for key in ("rows", "totals", "hash_total")} == {
            key: manifest[key] for key in ("rows", "totals", "hash_total")
        }, each
        for file, of in said["files"].items():
            content = (place / file).read_bytes()
            assert of == {"bytes": len(content), "sha256": sha256(content).hexdigest()}
        assert set(said["files"]) | {"manifest.json"} == set(tree(place))
        columns = json.loads((place / "schema.json").read_text("utf-8"))["columns"]
        assert [column["name"] for column in columns] == list(rows_[0])
    jsonl = (found["jsonl"][0] / f"{name}.jsonl").read_bytes().splitlines()
    objects = [json.loads(line) for line in jsonl]
    assert [{key: str(value) for key, value in each.items()} for each in objects] == rows_
    parquet = pl.read_parquet(found["parquet"][0] / f"{name}.parquet")
    for column in table.summed:
        assert [Decimal(row[column]) for row in rows_] == parquet[column].to_list()


def test_a_workbook_has_numbers_up_to_fifteen_digits(commission: Program, world: None) -> None:
    folder, _ = made(commission, "lines", "--format", "xlsx")
    (frame,) = workbook.read_back(
        folder / "lines.xlsx", ["line_id", "run_date", "rate", "gross", "occurred_at"], 1_000
    )
    assert [" ".join(row) for row in frame.iter_rows()][:8] == [
        "b1.0 46027 1 1E-8 2026-01-05T00:00:00Z",
        "b1.1 46027 0.125 0E-8 2026-01-05T00:00:00Z",
        "b2.0 46027 1 9999999999.99999999 2026-01-05T00:00:00Z",
        "b2.1 46027 0.125 1250000000.00000000 2026-01-05T00:00:00Z",
        "j1.0 46027 1 999999999999999 2026-01-05T00:00:00Z",
        "j1.1 46027 0.125 125000000000000 2026-01-05T00:00:00Z",
        "k1.0 46027 1 0.005 2026-01-05T00:00:00Z",
        "k1.1 46027 0.125 0.001 2026-01-05T00:00:00Z",
    ]
    with zipfile.ZipFile(folder / "lines.xlsx") as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert "<is><t>9999999999.99999999</t></is>" in sheet
    assert "<v>999999999999999</v>" in sheet


def test_csv_for_excel_has_a_mark_and_crlf(commission: Program, acme: None) -> None:
    plain, _ = made(commission, "lines")
    folder, manifest = made(commission, "lines", "--excel")
    content = (folder / "lines.csv").read_bytes()
    assert content == b"\xef\xbb\xbf" + (plain / "lines.csv").read_bytes().replace(b"\n", b"\r\n")
    assert manifest["rows"] == 5
    assert folder.name == "lines-20260131-20260228-excel"


def test_many_rows_go_into_further_sheets_and_files(
    commission: Program, acme: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "ROWS_OF_A_SHEET", 4)
    monkeypatch.setattr(formats, "ROWS_IN_A_FILE", 4)
    monkeypatch.setattr(rows, "ROWS_AT_ONCE", 3)
    folder, of_sheets = made(commission, "lines", "--format", "xlsx")
    with zipfile.ZipFile(folder / "lines.xlsx") as archive:
        sheets = ET.fromstring(archive.read("xl/workbook.xml")).findall(".//{*}sheet")
        assert [each.get("name") for each in sheets] == ["lines", "lines 2"]
    _, manifest = made(commission, "lines", "--format", "parquet")
    assert list(manifest["files"]) == ["lines.parquet", "lines-2.parquet", "schema.json"]
    assert manifest["rows"] == of_sheets["rows"] == 5
    assert manifest["totals"] == of_sheets["totals"]


# -- which runs


@pytest.fixture
def month(commission: Program, tmp_path: Path) -> None:
    """A programme that settles at the end of the month: four runs, two settlements."""
    plan = WORLD.replace('"day"', '"month"').replace("100.00", "0.00")
    earned = "".join(f"e{day},bob,2026-{day},10.00,USD,\n" for day in ("01-05", "01-31", "02-03"))
    folder = shop(tmp_path / "in", HEADER + earned, plan)
    for date in ("2026-01-05", "2026-01-31", "2026-02-03", "2026-02-28"):
        assert commission("run", folder, "--date", date).code == 0


PERIODS = {
    "lines": "lines-20260105-20260228-csv 6",
    "lines --run 2026-01-31": "lines-20260131-csv 2",
    "lines --settlement 2026-01-31": "lines-20260105-20260131-csv 4",
    "lines --settlement 2026-02-28": "lines-20260203-20260228-csv 2",
    "lines --from 2026-01-06 --to 2026-02-27": "lines-20260131-20260203-csv 4",
    "statements --settlement 2026-01-31": "statements-20260131-csv 2",
    "payouts --from 2026-02-01": "payouts-20260203-20260228-csv 2",
    "balances --to 2026-02-27": "balances-20260203-csv 2",
    "balances --settlement 2026-02-28": "balances-20260228-csv 0",
    "journal --settlement 2026-01-31": "journal-20260105-20260131-csv 12",
}
REFUSED = {
    "lines --run 2026-01-31 --to 2026-01-31": "--from or --to, --run and --settlement at once",
    "lines --run 2026-01-30": "there is no completed run on 2026-01-30",
    "lines --settlement 2026-01-05": "there is no settlement on 2026-01-05",
    "lines --to 2026-01-04": "no run was completed in that period",
    "balances --from 2026-01-05": "balances are those of one date",
    "lines --format xlsx --excel": "--excel is for CSV",
    "journal --format hledger --excel": "--excel is for CSV",
    "journal --accounts chart.toml": "--accounts says nothing to --format csv",
}


def test_a_period_is_that_of_its_runs(commission: Program, month: None, tmp_path: Path) -> None:
    for words, says in REFUSED.items():
        assert refused(commission("export", *words.split())) == (2, says)
    assert not (tmp_path / "out" / "exports").exists()
    for words, found in PERIODS.items():
        folder, manifest = made(commission, *words.split())
        assert f"{folder.name} {manifest['rows']}" == found
        dates = {"as_of"} if words.startswith("balances") else {"from", "to"}
        assert set(manifest) & {"from", "to", "as_of"} == dates


def test_a_book_without_runs_has_nothing_to_export(commission: Program) -> None:
    assert refused(commission("export", "lines")) == (2, "the book has no completed run yet")


# -- complete or absent, and then the same for ever


def test_an_export_is_made_once_and_stays(commission: Program, acme: None, tmp_path: Path) -> None:
    commands = [("export", "payouts", "--format", each, "--out", f"as-{each}") for each in FORMATS]
    (tmp_path / "as-csv").mkdir()  # an empty one is as good as none
    (tmp_path / ".as-csv.draft-1").mkdir()  # what a killed process has left
    for words in commands:
        assert commission(*words).err.splitlines() == [
            f"{words[-1]}: written; 2 rows",
            "  USD: amount 120.00",
        ]
    before = tree(tmp_path)
    for words in commands:
        assert "there already, the same bytes; 2 rows" in commission(*words).err
    assert commission("payouts", "approve").code == 0
    for words in commands:
        assert refused(commission(*words)) == (
            1,
            f"{words[-1]}: is there already, and its payouts.{words[3]}, manifest.json is not what"
            " this export gives now",
        )
    assert tree(tmp_path) == before


def test_a_folder_with_something_else_is_not_touched(
    commission: Program, acme: None, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    (other / ".a.draft-1").write_text("mine too")
    done = commission("export", "lines", "--out", other)
    assert refused(done)[0] == 1
    assert "is there already" in done.err
    assert tree(other) == {"notes.txt": b"mine", ".a.draft-1": b"mine too"}
    done = commission("export", "lines", "--out", other / "notes.txt" / "deeper")
    assert refused(done) == (1, f"{other / 'notes.txt'}: cannot be written: File exists")


def test_what_is_on_the_disk_is_what_counts(commission: Program, acme: None) -> None:
    """Amounts there that are none of their currency are not taken for others."""
    for how in Format:
        exported, manifest = made(commission, "lines", "--run", "2026-01-31", "--format", how)
        (path,) = exported.glob("lines.*")
        found = proof.figures_of(LINES, how, [path], {"USD": 2})
        assert found.told() == {key: manifest[key] for key in ("rows", "totals", "hash_total")}
        of_digits = [{"USD": 0}] if how in (Format.CSV, Format.JSONL) else []
        for wrong in ({"EUR": 2}, *of_digits):
            with pytest.raises(OutOfBalance, match="none of its currency"):
                proof.figures_of(LINES, how, [path], wrong)


def test_lines_that_were_changed_are_not_exported(
    commission: Program, acme: None, database_url: str, tmp_path: Path
) -> None:
    """The control totals of the run say what they were."""
    change(database_url, "UPDATE line SET commission_minor = commission_minor + 1")
    code, says = refused(commission("export", "lines", "--run", "2026-01-31"))
    assert code == 5
    assert says.startswith("lines: the runs have stored 4 lines with {'USD': {'gross': 13000, ")
    assert not (tmp_path / "out" / "exports" / "lines-20260131-csv").exists()
    assert not list((tmp_path / "out" / "exports").iterdir())


# -- in a spreadsheet

STARTS = ("=", "+", "-", "@", "'=", "''@", "＝", "＋", "－", "＠", "'", " =", '"=', '="')
BODIES = (
    "1+1", "cmd|' /C calc'!A0", 'HYPERLINK("http://x/","y")', "SUM(A1:A9)", "A1", "2*3",
    "IMPORTXML(\"//x\")", "WEBSERVICE(B2)", "-2+3", "DDE(\"a\";\"b\")", "{1;2}", "$A$1", "(1)",
    "0x10", "1e9",
)  # fmt: skip
PAYLOADS = sorted({start + body for start, body in product(STARTS, BODIES)})
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
SHEET = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"


@pytest.mark.needs("soffice")
def test_no_text_is_a_formula_in_a_spreadsheet_and_the_sums_are_ours(
    commission: Program, tmp_path: Path
) -> None:
    """Two hundred ids and names that mean harm, in every column of text, opened by LibreOffice."""
    assert len(PAYLOADS) >= 200
    manifests = _harmful(commission, tmp_path)
    control = tmp_path / "control.csv"
    control.write_text("a\n=1+1\n")
    files = [control, *(path for path, _, _ in manifests)]
    subprocess.run(
        ["soffice", f"-env:UserInstallation=file://{tmp_path}/office", "--headless",
         "--norestore", "--convert-to", "fods", "--outdir", tmp_path / "opened", *files],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    assert [formula for _, formula in _opened(tmp_path / "opened" / "control.fods")][1] == [
        "of:=1+1"
    ]
    seen: dict[str, set[str]] = {}
    for path, name, manifest in manifests:
        opened = list(_opened(tmp_path / "opened" / f"{path.stem}.fods"))
        assert [formula for _, formula in opened if any(formula)] == []
        (header, *body) = [values for values, _ in opened]
        assert len(body) == manifest["rows"] >= len(PAYLOADS)
        table = next(table for table in TABLES if table.name == name)
        for column in table.summed:
            total = sum(Decimal(row[header.index(column)]) for row in body)
            assert total == Decimal(manifest["totals"]["USD"][column])
        for place, column in enumerate(header):
            cells = ("".join(row[place : place + 1]) for row in body)
            seen.setdefault(f"{name}.{column}", set()).update(cells)
    bare = [each.replace(" ", "") for each in PAYLOADS if not each.startswith(" ")]
    ids = {f"'{each}" if each.lstrip("'")[:1] in "=+-@＝＋－＠" else each for each in bare}
    for column in ("lines.event_id", "lines.order_id", "lines.earner_id", "lines.beneficiary_id",
                   "statements.affiliate_id", "payouts.affiliate_id", "payouts.name",
                   "balances.affiliate_id", "journal.affiliate_id"):  # fmt: skip
        assert seen[column] >= ids, column
    assert seen["lines.plan"] == {"'=1+1"}
    assert seen["payouts.note"] >= {"'=1+1", ""}


def _harmful(commission: Program, tmp_path: Path) -> list[tuple[Path, str, Mapping[str, Any]]]:
    """Every export as CSV and XLSX, of a programme in which everybody is called so."""
    folder = tmp_path / "in"
    folder.mkdir()
    plan = WORLD.replace('"world"', '"=1+1"').replace("100.00", "0.00")
    (folder / "plan.toml").write_text(plan, "utf-8")

    def write(name: str, header: str, rows_: Iterator[tuple[str, ...]]) -> None:
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header.split(","), *rows_])

    write("affiliates.csv", "affiliate_id,name", ((each, each) for each in PAYLOADS))
    write(
        "earnings.csv",
        "event_id,affiliate_id,occurred_at,amount,currency",
        ((each, each, "2026-01-05", f"{n}.25", "USD") for n, each in enumerate(PAYLOADS)),
    )
    assert commission("run", folder, "--date", "2026-01-05").code == 0
    assert commission("run", "--date", "2026-01-06").code == 0
    (first,) = json.loads(commission("payouts", "--affiliate", PAYLOADS[0], "--json").out)
    done = commission("payouts", "reject", first["payout_id"], "--reason", "=1+1")
    assert done.code == 0
    exported = []
    for name, form in product(NAMES, ("csv", "xlsx")):
        words = ("--to", "2026-01-05") if name == "balances" else ()
        place, manifest = made(commission, name, "--format", form, *words)
        path = tmp_path / f"{name}-{form}.{form}"
        path.write_bytes((place / f"{name}.{form}").read_bytes())
        exported.append((path, name, manifest))
    return exported


def _opened(path: Path) -> Iterator[tuple[list[str], list[str]]]:
    """Row by row what the cells hold, without spaces, and the formulas that they are."""
    for row in ET.parse(path).iter(f"{SHEET}table-row"):
        values: list[str] = []
        found: list[str] = []
        for cell in row.iter(f"{SHEET}table-cell"):
            times = int(cell.get(f"{SHEET}number-columns-repeated", 1))
            said = cell.get(f"{OFFICE}value") or "".join("".join(cell.itertext()).split())
            values += [said] * min(times, 100)
            if formula := cell.get(f"{SHEET}formula"):
                found.append(formula)
        if any(values):
            yield values, found


def test_every_column_is_explained() -> None:
    docs = Path(__file__).parent.parent / "docs"
    text = "".join((docs / name).read_text("utf-8") for name in ("exports.md", "files.md"))
    names = {column.name for table in TABLES for column in table.columns}
    assert [name for name in names if f"`{name}`" not in text] == []


def test_a_hash_total_is_made_of_the_ids() -> None:
    assert hashed("ann") == int(sha256(b"ann").hexdigest()[:16], 16)
