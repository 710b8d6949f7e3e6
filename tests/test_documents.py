"""Documents that are no CSV, as a run writes them beside its other files."""

import json
import os
from pathlib import Path

import pytest
from program import Program, tree
from test_statements import EARNINGS, KEY, PEOPLE, PLAN, REFERRALS
from test_verify import change

from commission_engine.statements import stationery

DATE = "2026-01-09"
ALL_FORMATS = "csv,html,pdf,html"


@pytest.fixture
def shop(commission: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Input that waits for its run, and settings for documents of everybody in every format."""
    monkeypatch.setenv("COMMISSION_DOCUMENTS", "all")
    monkeypatch.setenv("COMMISSION_FORMATS", ALL_FORMATS)
    monkeypatch.setenv("COMMISSION_STATEMENTS_NAME", "Acme Partners")
    (tmp_path / "shop").mkdir()
    for name, text in (("plan.toml", PLAN), ("affiliates.csv", PEOPLE),
                       ("referrals.csv", REFERRALS), ("earnings.csv", EARNINGS)):  # fmt: skip
        (tmp_path / "shop" / name).write_text(text, "utf-8")
    return commission


def ran(program: Program) -> None:
    done = program("run", "shop", "--date", DATE)
    assert done.code == 0, done.err


def documents(folder: Path) -> dict[str, bytes]:
    return {name: made for name, made in tree(folder / DATE).items() if "/" in name}


def test_a_run_writes_every_format_and_again_to_the_same_bytes(
    shop: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(shop)
    out = tmp_path / "out"
    first = tree(out)
    made = documents(out)
    assert sorted({Path(name).suffix for name in made}) == [".csv", ".html", ".pdf"]
    assert len(made) == 3 * 3
    assert all(b"Acme Partners" in made[name] for name in made if name.endswith(".html"))
    listed = json.loads(first[f"{DATE}/manifest.json"])["files"]
    assert made.keys() <= listed.keys()

    # The settings are others since; what is missing is written as it was.
    monkeypatch.setenv("COMMISSION_STATEMENTS_NAME", "Somebody")
    monkeypatch.setenv("COMMISSION_FORMATS", "csv")
    for name in made:
        if name.endswith(("html", "pdf")):
            (out / DATE / name).unlink()
    lacking = shop("verify")
    assert (lacking.code, lacking.err.count(": missing")) == (5, 6)
    again = shop("run", "--date", DATE)
    assert (again.code, "6 missing files written again" in again.err) == (0, True)
    assert tree(out) == first
    assert "all agree" in shop("verify").out
    assert shop("replay", DATE).code == 0
    assert shop("statements", "render", "--all", "--out", "by-hand").code == 0
    by_hand = tree(tmp_path / "by-hand")
    assert {f"statements/{name}": found for name, found in by_hand.items()} == {
        name: found for name, found in made.items() if not name.endswith(".csv")
    }
    (name,) = (n for n in made if n.endswith(".pdf") and b"Ann" in made[n.replace("pdf", "html")])
    (out / DATE / name).write_bytes(b"%PDF-1.7 mine")
    altered = shop("verify")
    assert altered.code == 5
    assert f"{name}: has other bytes than were published" in altered.err
    assert f"{name}\n  written: other bytes" in shop("replay", DATE).out


def test_the_bytes_are_those_of_any_database(
    shop: Program,
    sqlite_url: str,
    postgresql_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COMMISSION_DATABASE", sqlite_url)
    ran(shop)
    monkeypatch.setenv("COMMISSION_DATABASE", postgresql_url)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    done = shop("run", "shop", "--date", DATE, "--out", "other")
    assert done.code == 0, done.err
    assert tree(tmp_path / "other") == tree(tmp_path / "out")


@pytest.mark.parametrize("cause", ["another key", "another program"])
def test_what_cannot_be_made_again_is_compared_with_its_manifest(
    shop: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    monkeypatch.setenv("COMMISSION_STATEMENTS_KEY", KEY)
    ran(shop)
    out = tmp_path / "out"
    first = tree(out)
    if cause == "another key":
        monkeypatch.delenv("COMMISSION_STATEMENTS_KEY")
        why = "COMMISSION_STATEMENTS_KEY is another one than the run had"
    else:
        was = stationery.programs(("html", "pdf"))["typst"]
        known = stationery.programs
        monkeypatch.setattr(
            stationery, "programs", lambda formats: {**known(formats), "typst": "99.0"}
        )
        why = f"they were made with typst {was}, here is 99.0"
    assert "all agree" in shop("verify").out
    fine = shop("replay", DATE)
    assert (fine.code, f"{why}; its documents were compared" in fine.err) == (0, True)

    name = next(name for name in sorted(documents(out)) if name.endswith(".pdf"))
    path = out / DATE / name
    path.write_bytes(b"%PDF-1.7 mine")
    assert f"{name}: has other bytes than were published" in shop("verify").err
    path.unlink()
    assert f"{name}: missing" in shop("verify").err
    refused = shop("run", "--date", DATE)
    assert (refused.code, f"cannot be made as they were: {why}" in refused.err) == (1, True)
    path.write_bytes(first[f"{DATE}/{name}"])
    assert tree(out) == first

    assert "all agree" in shop("verify").out
    manifest = out / DATE / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b".pdf", b".pdx"))
    assert "manifest.json: has other bytes than were published" in shop("verify").err
    rendered = shop("statements", "render", "--all", "--out", "today", "--format", "html")
    assert (rendered.code, f"not as the run has written them: {why}" in rendered.err) == (0, True)


def test_a_run_that_pays_nobody_has_nothing_to_make_again(
    shop: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_DOCUMENTS", "paid")
    (tmp_path / "shop" / "plan.toml").write_text(PLAN.replace('"day"', '"month"'), "utf-8")
    ran(shop)
    assert documents(tmp_path / "out") == {}
    monkeypatch.setenv("COMMISSION_STATEMENTS_KEY", KEY)
    assert "all agree" in shop("verify").out
    again = shop("replay", DATE)
    assert (again.code, again.err) == (0, "")


def test_without_the_extra_nothing_is_run(
    shop: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stationery, "FOR_PDF", ("no-such-fonts",))
    refused = shop("run", "shop", "--date", DATE)
    assert refused.code == 2
    assert "the package no-such-fonts, which makes PDF files, is not installed" in refused.err
    assert "pip install 'commission-engine[pdf]'" in refused.err
    assert not (tmp_path / "out").exists()
    monkeypatch.setenv("COMMISSION_DOCUMENTS", "none")
    ran(shop)
    assert documents(tmp_path / "out") == {}


def test_a_letterhead_that_was_changed_is_found(shop: Program) -> None:
    ran(shop)
    url = os.environ["COMMISSION_DATABASE"]
    change(url, "UPDATE letterhead SET content = replace(content, 'Acme', 'Evil')")
    said = shop("verify")
    assert said.code == 5
    assert "the letterhead" in said.err
    assert "is not in the book as it was" in said.err
