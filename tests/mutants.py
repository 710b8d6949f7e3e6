"""Mutants of the money core: every small change to it that no test notices is a test that lacks.

    python tests/mutants.py                                 all of them: hours
    python tests/mutants.py --sample 480 --seed 1           so many, spread over all modules
    python tests/mutants.py --module decide/kernel --list   what they are, without a test
    python tests/mutants.py --only decide/kernel:120:...    those whose name begins so
    python tests/mutants.py --sample 480 --json >> fates    and later, with more tests,
    python tests/mutants.py --sample 480 --done fates       what was not killed there
    python tests/mutants.py --equal                         all of these have to survive

A mutant is one change of one place: a comparison's edge, an operation, a number by one, a
condition's opposite, a statement left out, the least for the most. Each is tried in a copy, by the
tests of its module, the fast ones first; Hypothesis always draws the same. What survives is
printed: it is to be killed by a further test. Those that no test can kill, because the program
does the same with them, stand in mutants_equal.toml with the reason; they are not tried, and the
score is printed with and without them.
"""

import argparse
import ast
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from equal import listed, reasons
from forked import ROOT, Bench, Given, Outcome

PACKAGE = ROOT / "commission_engine"
FOLDERS = ("plan", "decide", "ledger")

PLAN = ("plan",)
FRAMES = ("facts", "decide")
TESTS = {
    "money": ("money", "plan"),
    "plan/change": PLAN,
    "plan/read": PLAN,
    "plan/record": PLAN,
    "plan/terms": (*PLAN, "ledger"),
    "decide/__init__": FRAMES,
    "decide/adjusted": ("kernel",),
    "decide/buckets": ("buckets", *FRAMES),
    "decide/columns": FRAMES,
    "decide/facts": FRAMES,
    "decide/groups": ("kernel", "buckets"),
    "decide/kernel": ("kernel", "facts"),
    "decide/parts": FRAMES,
    "decide/reference": ("reference", "ledger"),
    "decide/spill": ("buckets",),
    "decide/used": ("kernel", "buckets"),
    "ledger/accounts": ("ledger",),
    "ledger/available": ("ledger",),
    "ledger/convert": ("rates",),
    "ledger/holds": ("holds",),
    "ledger/post": ("ledger",),
    "ledger/settle": ("ledger",),
    "ledger/totals": ("ledger",),
}
"""By module the files with its tests; those of most use first."""

LONG = (
    "every_interesting_state",
    "test_the_page_about_embedding_is_true",
    "test_the_example_of_a_pipeline_runs",
)
"""Tests that take longest, and are of what others see as well; --thorough takes them too."""

WITHOUT = ("postgresql",)
IN_WORLDS = ("kernel", "reference", "buckets", "facts", "decide", "ledger", "plan")
"""The files whose tests draw so many worlds. For others the program would say of the variable that
it is no setting."""

WORLDS = 30
SECONDS = 15
"""That a file of tests may take beside twice its own time; beyond it has lost its way."""

WALL_SECONDS = 900.0
MEMORY = 12 << 30


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of one place: `old` at a line and column becomes `new`.

    `where` is the function that it is in ("" outside of any), `source` the text of the line.
    """

    module: str
    line: int
    column: int
    old: str
    new: str
    start: int
    stop: int
    where: str
    source: str

    @property
    def change(self) -> str:
        old, new = (" ".join(each.split()) for each in (self.old, self.new))
        return f"{old} -> {new}"

    @property
    def name(self) -> str:
        return f"{self.module}:{self.line}:{self.column}: {self.change}"

    def text(self, source: bytes) -> str:
        return (source[: self.start] + self.new.encode() + source[self.stop :]).decode()


# -- what is changed

EDGES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
OPERATIONS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
NAMES = {
    "min": "max", "max": "min", "any": "all", "all": "any", "minimum": "maximum",
    "maximum": "minimum", "any_horizontal": "all_horizontal", "all_horizontal": "any_horizontal",
}  # fmt: skip
SIDES = {"left": "right", "right": "left"}


def mutants_of(module: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    source = source_of(module)
    begins = [0]
    lines = source.splitlines(keepends=True)
    for line in lines:
        begins.append(begins[-1] + len(line))
    found = []
    tree = ast.parse(source)
    functions = list(_functions(tree))
    for node, new in _changes(tree):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = begins[node.lineno - 1] + node.col_offset
        stop = begins[node.end_lineno - 1] + node.end_col_offset
        old = source[start:stop].decode()
        number, column = node.lineno, node.col_offset
        around = [name for name, first, last in functions if first <= number <= last]
        where, text = (around or [""])[-1], lines[number - 1].decode().strip()
        found.append(Mutant(module, number, column, old, new, start, stop, where, text))
    return sorted(found, key=lambda each: (each.start, each.stop, each.new))


def path_of(module: str) -> str:
    return f"commission_engine/{module}.py"


def source_of(module: str) -> bytes:
    return (ROOT / path_of(module)).read_bytes()


def _functions(node: ast.AST, inside: str = "") -> Iterator[tuple[str, int, int]]:
    """Every function and class, such as "Bucket.cut", and its lines; the outer ones first."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            name = f"{inside}.{child.name}".lstrip(".")
            yield name, child.lineno, child.end_lineno or child.lineno
            yield from _functions(child, name)
        else:
            yield from _functions(child, inside)


Change = tuple[ast.expr | ast.stmt, str]


def _changes(node: ast.AST) -> Iterator[Change]:
    """Places below a node and what they become; nothing of what only a reader of types sees."""
    if isinstance(node, ast.expr):
        yield from _of_expression(node)
    elif isinstance(node, ast.stmt):
        yield from _of_statement(node)
    for test in _conditions(node):
        yield test, f"not ({ast.unparse(test)})"
    for child in _below(node):
        yield from _changes(child)


def _below(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.JoinedStr):  # texts for people; their parts have no places
        return
    if isinstance(node, ast.ClassDef) and "Protocol" in map(ast.unparse, node.bases):
        return
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.AnnAssign):
        if ast.unparse(node.annotation) != "TypeAlias" and node.value:
            yield node.value
        return
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "ctx", "op", "ops"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child


def _conditions(node: ast.AST) -> list[ast.expr]:
    """Those whose opposite is not a change of themselves already."""
    tests = [node.test] if isinstance(node, ast.If | ast.IfExp | ast.While) else []
    tests += node.ifs if isinstance(node, ast.comprehension) else []
    return [test for test in tests if not _has_an_opposite(test)]


def _has_an_opposite(test: ast.expr) -> bool:
    if isinstance(test, ast.Compare):
        return len(test.ops) == 1 and not isinstance(test.ops[0], ORDERED)
    return isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)


def _of_expression(node: ast.expr) -> Iterator[Change]:
    for new in _expressions(node):
        yield node, f"({ast.unparse(new)})"


def _expressions(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.Compare):
        for place, op in enumerate(node.ops):
            ops = [*node.ops[:place], EDGES[type(op)](), *node.ops[place + 1 :]]
            yield ast.Compare(node.left, ops, node.comparators)
    elif isinstance(node, ast.BinOp):
        if type(node.op) in OPERATIONS and not (_is_text(node.left) or _is_text(node.right)):
            yield ast.BinOp(node.left, OPERATIONS[type(node.op)](), node.right)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield ast.Constant(node.value + 1)
        yield ast.Constant(node.value - 1)
    elif isinstance(node, ast.Call):
        yield from _calls(node)


def _calls(node: ast.Call) -> Iterator[ast.expr]:
    called = node.func
    if isinstance(called, ast.Name) and called.id in NAMES:
        yield ast.Call(ast.Name(NAMES[called.id]), node.args, node.keywords)
    elif isinstance(called, ast.Attribute) and called.attr in NAMES:
        yield ast.Call(ast.Attribute(called.value, NAMES[called.attr]), node.args, node.keywords)
    for place, each in enumerate(node.keywords):
        if each.arg == "side" and isinstance(each.value, ast.Constant):
            other = ast.keyword(each.arg, ast.Constant(SIDES[str(each.value.value)]))
            keywords = [*node.keywords[:place], other, *node.keywords[place + 1 :]]
            yield ast.Call(node.func, node.args, keywords)


def _is_text(node: ast.expr) -> bool:
    text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return text or isinstance(node, ast.JoinedStr)


def _of_statement(node: ast.stmt) -> Iterator[Change]:
    """The statement left out."""
    call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.YieldFrom)
    place = isinstance(node, ast.Assign) and any(
        isinstance(each, ast.Subscript | ast.Attribute) for each in node.targets
    )
    if call or place or isinstance(node, ast.AugAssign | ast.Raise | ast.Continue | ast.Break):
        yield node, "pass"
    elif isinstance(node, ast.Return) and node.value and ast.unparse(node.value) != "None":
        yield node, "return None"


# -- which of them


def modules(wanted: str) -> list[str]:
    found = ["money"]
    for folder in FOLDERS:
        found += [f"{folder}/{path.stem}" for path in sorted((PACKAGE / folder).glob("*.py"))]
    found = [module for module in found if mutants_of(module)]
    if unknown := [module for module in found if module not in TESTS]:
        raise SystemExit(f"no tests are named for {', '.join(unknown)}: add them to TESTS")
    return [module for module in found if module.startswith(wanted)]


def sampled(by_module: dict[str, list[Mutant]], many: int, seed: int) -> list[Mutant]:
    """So many of all, from each module its part, and ten of it at least where it has them."""
    total = sum(map(len, by_module.values()))
    chosen: list[Mutant] = []
    for module, found in by_module.items():
        part = min(len(found), max(round(many * len(found) / max(total, 1)), 10))
        picked = Random(f"{seed} {module}").sample(found, part if many else len(found))
        chosen += sorted(picked, key=found.index)
    return chosen


# -- trying them


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a mutant: "killed" by a test, "ended" because it took too long, "survived";
    or it was not tried, being "equal" by the reason that is given."""

    name: str
    fate: str
    by: str
    seconds: float


class Hunt:
    """The copy, and the tests of each module in the order of their time."""

    def __init__(self, bench: Bench, thorough: bool) -> None:
        self.bench = bench
        self.without = WITHOUT if thorough else (*WITHOUT, *LONG)
        self.order: dict[str, float] = {}
        self.seconds: dict[str, float] = {}

    def learn(self, files: Sequence[str]) -> None:
        """Run every test of the files once in peace: how long each takes. They have to pass."""
        for file in files:
            fine = self._run(file, keep_bytecode=True)
            if not fine.passed:
                raise SystemExit(f"{file} does not pass without any mutant:\n{fine.words}")
            self.order |= {told.node: told.seconds for told in fine.tests}
            self.seconds[file] = fine.seconds

    def fate(self, mutant: Mutant) -> Fate:
        text = mutant.text(source_of(mutant.module))
        with self.bench.changed(path_of(mutant.module), text):
            seconds = 0.0
            for file in TESTS[mutant.module]:
                outcome = self._run(file)
                seconds += outcome.seconds
                if not outcome.passed:
                    ended = outcome.status < 0
                    by = [each.node for each in outcome.tests if not each.passed]
                    by = by or [f"{file}: status {outcome.status}"]
                    return Fate(mutant.name, "ended" if ended else "killed", by[0], seconds)
        return Fate(mutant.name, "survived", "", seconds)

    def _run(self, file: str, *, keep_bytecode: bool = False) -> Outcome:
        worlds = {"COMMISSION_WORLDS": str(WORLDS)} if file in IN_WORLDS else {}
        most = int(SECONDS + 2 * self.seconds[file]) if file in self.seconds else 0
        given = Given(worlds, self.without, self.order, keep_bytecode, most, MEMORY)
        return self.bench.run([f"tests/test_{file}.py"], WALL_SECONDS, given)


def hunt(mutants: Sequence[Mutant], *, thorough: bool) -> Iterator[Fate]:
    files = sorted({file for mutant in mutants for file in TESTS[mutant.module]})
    libraries = ("duckdb", "pandas", "pyarrow.parquet") if "facts" in files else ()
    with Bench(libraries) as bench:
        hunter = Hunt(bench, thorough)
        hunter.learn(files)
        for mutant in mutants:
            yield hunter.fate(mutant)


def shared(words: Sequence[str], jobs: int) -> Iterator[Fate]:
    """The same by several processes, each with a part of the mutants."""
    parts = [
        subprocess.Popen(
            [sys.executable, __file__, *words, "--part", f"{n + 1}/{jobs}", "--json"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(jobs)
    ]
    for part in parts:
        assert part.stdout
        for line in part.stdout:
            yield Fate(**json.loads(line))
        if part.wait():
            raise SystemExit(part.returncode)


# -- for people


def summary(fates: Sequence[Fate], of: dict[str, list[Mutant]]) -> list[str]:
    """Per module how many mutants it has, how many were chosen, what became of them, and which
    part was killed: of all, and of those that are not equal to the program."""
    heads = ("has", "chosen", "killed", "survived", "equal", "of all", "score")
    lines = [f"{'module':<18}" + "".join(f"{head:>9}" for head in heads)]
    rows = [(module, [f for f in fates if f.name.startswith(f"{module}:")]) for module in of]
    for module, mine in [*rows, ("all", list(fates))]:
        survived, equal = (
            sum(each.fate == fate for each in mine) for fate in ("survived", "equal")
        )
        killed = len(mine) - survived - equal
        has = sum(map(len, of.values())) if module == "all" else len(of[module])
        scores = (
            f"{100 * killed // of_many}%" if of_many else "-"
            for of_many in (len(mine), killed + survived)
        )
        cells = (has, len(mine), killed, survived, equal, *scores)
        lines.append(f"{module:<18}" + "".join(f"{cell:>9}" for cell in cells))
    return lines


def fates_in(file: Path) -> dict[str, Fate]:
    """The last that is said of each mutant, by its name."""
    lines = file.read_text("utf-8").splitlines()
    return {fate.name: fate for fate in (Fate(**json.loads(line)) for line in lines)}


def main(words: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and the copy is removed
    parser = argparse.ArgumentParser(description="Mutants of the money core.")
    parser.add_argument("--module", default="", help='such as "decide/kernel" or "plan"')
    parser.add_argument("--sample", type=int, default=0, help="so many; without it all")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--only", default="", help="those whose name begins so")
    parser.add_argument("--thorough", action="store_true", help="with the tests that take longest")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--done", type=Path, help="fates of before; those killed are left out")
    parser.add_argument("--part", default="1/1", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="each fate as a line of JSON")
    parser.add_argument("--list", action="store_true", help="name them only")
    parser.add_argument("--equal", action="store_true", help="try those listed as equal")
    given = parser.parse_args(words)
    by_module = {module: mutants_of(module) for module in modules(given.module)}
    chosen = sampled(by_module, given.sample, given.seed)
    chosen = [mutant for mutant in chosen if mutant.name.startswith(given.only)]
    equal = reasons(by_module, listed())
    if given.equal:
        chosen, equal = [mutant for mutant in chosen if mutant.name in equal], {}
    before = fates_in(given.done) if given.done else {}
    known = {name: fate for name, fate in before.items() if fate.fate in ("killed", "ended")}
    known |= {name: Fate(name, "equal", why, 0.0) for name, why in equal.items()}
    fates = [known[mutant.name] for mutant in chosen if mutant.name in known]
    chosen = [mutant for mutant in chosen if mutant.name not in known]
    if given.list:
        print(*(mutant.name for mutant in chosen), sep="\n")
        return 0
    Random(given.seed).shuffle(chosen)  # a run that is stopped has tried some of all modules
    number, parts = map(int, given.part.split("/"))
    chosen = chosen[number - 1 :: parts]
    for fate in (
        shared(words, given.jobs)
        if given.jobs > 1 and given.part == "1/1"
        else hunt(chosen, thorough=given.thorough)
    ):
        fates.append(fate)
        if given.json:
            print(json.dumps(asdict(fate)), flush=True)
        elif fate.fate != "killed":
            print(f"{fate.fate} {fate.name}", flush=True)
    if not given.json:
        print(*summary(fates, by_module), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
