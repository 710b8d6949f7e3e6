"""The rules of the house, read from the source of every file."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from commission_engine.book import schema
from commission_engine.calendar import Window
from commission_engine.decide.kernel import REASONS
from commission_engine.problems import Code, Reason

ROOT = Path(__file__).parent.parent
ENGINE = ROOT / "commission_engine"

# Each layer imports from those above it in this table, never from beside or below.
LAYERS = (
    ("problems", "calendar", "resources", "raw", "identity", "webhook", "letterhead"),
    ("money", "verdict", "mend", "hooks", "logs", "timetable", "debtor", "doorway"),
    ("plan", "tree", "bounds"),
    ("segments", "settings"),
    ("ingest", "decide"),
    ("spark",),
    ("ledger",),
    ("publish", "book"),
    ("holding", "converting", "trail", "further", "metrics"),
    ("imports", "night"),
    ("derive", "payouts", "compare", "corrected", "statements"),
    ("plan_apply", "plan_said", "moves", "releases", "accounts", "correct", "explain", "dump"),
    ("folder_import", "published"),
    ("replay",),
    ("sources", "finance"),
    ("verify",),
    ("portal",),
    ("cli",),
    ("jobs",),
    ("__main__",),
)

FRAMES = {"ingest", "decide", "tree", "book", "ledger", "publish", "verdict", "imports", "night",
          "moves", "mend", "verify", "cli", "segments", "spark", "holding", "releases",
          "trail", "derive", "compare", "dump", "explain", "replay", "sources",
          "payouts", "further", "corrected", "correct", "finance", "converting", "published",
          "statements", "portal"}  # fmt: skip
HOMES = {
    "sqlalchemy": {"book", "migrations", "commission_engine/sources/sql.py"},
    "alembic": {"book", "migrations"},
    "psycopg": {"book"},
    "networkx": {"tree"},
    "moneyed": {"money"},
    "babel": {"money", "commission_engine/statements/texts.py"},
    "iso4217": {"money"},
    "tzdata": {"calendar"},
    "typer": {"cli", "jobs/command.py"},
    "rich": {"cli"},
    "apscheduler": {"jobs"},
    "cronsim": {"jobs"},
    "polars": FRAMES,
    "numpy": FRAMES | {"calendar"},
    "obstore": {"segments", "commission_engine/sources/objects.py"},
    "xlsxwriter": {
        "commission_engine/finance/exports/workbook.py",
        "commission_engine/finance/close/workbook.py",
    },
    "pyspark": {"spark"},
    "pyarrow": {"spark"},
    "cryptography": {"commission_engine/finance/payees/seal.py"},
    "schwifty": {"commission_engine/finance/bank/accounts.py"},
    "pycountry": {"commission_engine/finance/bank/accounts.py"},
    "anyascii": {"commission_engine/finance/bank/latin.py"},
    "typst": {"commission_engine/finance/close/paper.py", "commission_engine/statements/pdf.py"},
    "fontTools": {"commission_engine/statements/fonts.py"},
    "starlette": {"portal"},
    "anyio": {"portal"},
    "jinja2": {"portal"},
    "markupsafe": {"portal"},
    "joserfc": {"commission_engine/portal/oidc.py"},
    "uvicorn": {"commission_engine/portal/server.py"},
}

# Nothing here knows the time, the machine, chance, or a binary fraction.
PURE = (
    "calendar",
    "money",
    "bounds",
    "plan",
    "tree",
    "decide",
    "ledger",
    "publish",
    "verdict",
    "problems",
)
IMPURE_MODULES = {"time", "random", "secrets", "uuid", "os", "socket", "getpass", "locale"}
IMPURE_NAMES = {"float", "complex", "truediv"}
IMPURE_ATTRIBUTES = {
    *("now", "today", "utcnow", "environ", "getenv", "random"),
    *("mean", "truediv", "true_divide", "Float32", "Float64", "float32", "float64"),
}
ALLOWED = {
    "publish/folder.py": {"os", "/"},  # makes files durable; joins paths
    "plan/read.py": {"float"},  # to refuse it
}

LONGEST = 450


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def group(path: Path) -> str:
    """The part of the program that a file belongs to: "plan", "night", "jobs", ...; "" the root."""
    if not path.is_relative_to(ENGINE):
        return path.relative_to(ROOT).parts[0]
    return path.relative_to(ENGINE).parts[0].removesuffix(".py").removeprefix("__init__")


def imported(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, those inside functions too."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: say the whole name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


PROGRAM = files("commission_engine", "jobs", "migrations")
EVERYTHING = PROGRAM + files("tests", "examples", "benchmarks")


def test_there_is_something_to_read() -> None:
    assert len(PROGRAM) > 50
    assert {group(path) for path in PROGRAM} >= {"", "plan", "book", "cli", "money", "migrations"}


# -- imports


def test_each_outside_library_has_its_home() -> None:
    strays = []
    for path in PROGRAM:
        for name in imported(path):
            library = name.split(".")[0]
            ours = library in {"commission_engine", "jobs", "migrations"}
            if ours or library in sys.stdlib_module_names:
                continue
            file = path.relative_to(ROOT).as_posix()
            if {group(path), file}.isdisjoint(HOMES.get(library, set())):
                strays.append(f"{path.relative_to(ROOT)} imports {library}")
    assert strays == []


def test_imports_point_one_way() -> None:
    place = {name: height for height, layer in enumerate(LAYERS) for name in layer}
    wrong = []
    for path in files("commission_engine", "jobs"):
        here = group(path)
        if here == "":
            tour = ["commission_engine.decide.decide"]  # itself free of imports that take time
            assert list(imported(path)) in ([], tour), "the tour imports nothing"
            continue
        assert here in place, f"{here} has no layer yet"
        for name in imported(path):
            there = name.split(".")[0]
            if there == "commission_engine":
                there = name.split(".")[1]
            if there in place and there != here and place[there] >= place[here]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_the_engine_never_imports_those_who_start_it() -> None:
    starters = ("jobs", "commission_engine.cli")
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files("commission_engine")
        if group(path) not in ("cli", "__main__")
        for name in imported(path)
        if name.startswith(starters)
    ]
    assert wrong == []


# -- purity


def impurities(path: Path) -> Iterator[str]:
    for name in imported(path):
        if name.split(".")[0] in IMPURE_MODULES:
            yield name.split(".")[0]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Name) and node.id in IMPURE_NAMES:
            yield node.id
        elif isinstance(node, ast.Attribute) and node.attr in IMPURE_ATTRIBUTES:
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield repr(node.value)
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield "/"


@pytest.mark.parametrize(
    "path", [p for p in files("commission_engine") if group(p) in PURE], ids=lambda p: p.stem
)
def test_the_engine_knows_no_clock_no_chance_and_no_binary_fraction(path: Path) -> None:
    allowed = ALLOWED.get(path.relative_to(ENGINE).as_posix(), set())
    found = [
        f"{path.relative_to(ROOT)}: {each}" for each in impurities(path) if each not in allowed
    ]
    assert found == []


# -- every file


def test_every_module_says_what_it_is() -> None:
    assert [str(p.relative_to(ROOT)) for p in EVERYTHING if not ast.get_docstring(parsed(p))] == []


def test_no_module_is_long() -> None:
    counts = {p: len(p.read_text("utf-8").splitlines()) for p in PROGRAM}
    assert {str(p.relative_to(ROOT)): n for p, n in counts.items() if n > LONGEST} == {}


def test_nothing_is_left_for_later() -> None:
    words = ("TO" + "DO", "FIX" + "ME", "X" * 3 + ":", "NotImplemented" + "Error")
    left = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in EVERYTHING
        for word in words
        if word in path.read_text("utf-8")
    ]
    assert left == []


def test_every_test_asserts_something() -> None:
    """Its own, an expected error, or one in a function of its file that it calls."""
    empty = []
    for path in files("tests"):
        functions = {n.name: n for n in ast.walk(parsed(path)) if isinstance(n, ast.FunctionDef)}
        for name, function in functions.items():
            if name.startswith("test_") and not asserts(function, functions):
                empty.append(f"{path.name}: {name}")
    assert empty == []


def asserts(function: ast.FunctionDef, known: dict[str, ast.FunctionDef]) -> bool:
    called = []
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Attribute) and node.attr in ("raises", "fail"):
            return True
        if isinstance(node, ast.Name) and node.id != function.name:
            called.append(node.id)
    return any(asserts(known[name], {}) for name in called if name in known)


# -- every name has a use


def attributes_of(name: str) -> set[str]:
    """X for every `name.X` in the program, its definition aside."""
    return {
        node.attr
        for path in files("commission_engine")
        if group(path) != "problems"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == name
    }


def test_every_code_has_a_use() -> None:
    assert {code.name for code in Code} - attributes_of("Code") == set()


def test_every_reason_has_a_use() -> None:
    assert tuple(Reason) == REASONS
    windows = {str(window) for window in Window}
    assert {str(reason) for reason in Reason} - windows == {"", "closed"}
    assert windows <= {str(reason) for reason in Reason}


def test_every_table_is_explained() -> None:
    source = [
        line
        for path in (ENGINE / "book").glob("schema*.py")
        for line in path.read_text("utf-8").splitlines()
    ]
    docs = "\n".join(path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md"))
    for table in schema.metadata.tables:
        (line,) = [
            line for line in source if line.startswith((f"{table} = table(", f"{table} = keyed("))
        ]
        assert "#" in line or f"`{table}`" in docs, f"{table}: what is it?"
