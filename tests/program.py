"""The program `commission` as tests use it: called in this process, in a folder of its own."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from commission_engine.__main__ import main

PLAN = """\
name = "acme"
timezone = "Europe/Berlin"
rate_bounds = ["10%", "20%"]

[payout]
every = "day"
minimum = { USD = "5.00" }

[[terms]]
from = 2026-01-01
hold_days = 2

[[terms.level]]
level = 1
rate = "20%"
[[terms.level.cap]]
window = "order"
amount = { USD = "50.00" }
[[terms.level.cap]]
window = "month"
amount = { USD = "100.00" }

[[terms.level]]
level = 2
rate = "10%"
"""
REFERRALS = "affiliate_id,referrer_id\nbob,ann\ncat,bob\n"
HEADER = "event_id,affiliate_id,occurred_at,amount,currency,reverses\n"
EARNINGS = HEADER + (
    "e1,bob,2026-01-05T10:00:00Z,300.00,USD,\n"
    "e2,bob,2026-01-10T10:00:00Z,200.00,USD,\n"
    "e3,cat,2026-01-20T10:00:00Z,100.00,USD,\n"
    "r1,bob,2026-02-02T10:00:00Z,-100.00,USD,e1\n"
)


@dataclass(frozen=True)
class Done:
    """What a call of the program came to."""

    code: int
    out: str
    err: str


Program = Callable[..., Done]


def program_in(
    folder: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Program:
    """`commission` with `folder` as the current one and `url` as its book."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COMMISSION_DATABASE", url)
    monkeypatch.setenv("COLUMNS", "200")

    def commission(*words: Any) -> Done:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["commission", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return commission


def shop(folder: Path, earnings: str = EARNINGS, plan: str = PLAN) -> Path:
    """A folder of input: ann <- bob <- cat, and what they earned."""
    folder.mkdir(exist_ok=True)
    (folder / "plan.toml").write_text(plan, "utf-8")
    (folder / "referrals.csv").write_text(REFERRALS, "utf-8")
    (folder / "earnings.csv").write_text(earnings, "utf-8")
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
