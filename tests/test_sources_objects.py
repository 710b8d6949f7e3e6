"""Parquet in an object store or below a folder: each version of a file is imported once."""

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from objects import found_at, object_store
from program import Program
from test_sources import configure, events, on_sqlite

from commission_engine.segments import place
from commission_engine.segments.place import Bucket, Folder, place_of
from commission_engine.sources.objects import fault_of

LAKE = '[[source]]\nname = "lake"\nkind = "parquet"\nfile = "earnings"\n'


@pytest.fixture(params=["folder", "objects"])
def lake(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    if request.param == "folder":
        (tmp_path / "lake").mkdir()
        yield str(tmp_path / "lake")
    else:
        with object_store(monkeypatch) as url:
            yield url


def put(
    lake: str, name: str, *rows: tuple[str, str], amounts: type[pl.DataType] = pl.String
) -> None:
    """A file of earnings of bob; `rows` are ids and amounts."""
    ids, values = zip(*rows, strict=True)
    frame = pl.DataFrame({"event_id": ids, "amount": values}).with_columns(
        pl.lit("bob").alias("affiliate_id"),
        pl.lit("2026-01-05").str.to_date().alias("occurred_at"),
        pl.lit("USD").alias("currency"),
        pl.col("amount").cast(amounts),
    )
    content = Path("draft.parquet")
    frame.write_parquet(content)
    home = place_of(lake)
    if isinstance(home, Folder):
        target = home.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(content, target)
    else:
        assert isinstance(home, Bucket)
        home.store.put(name, content.read_bytes())


@on_sqlite
def test_each_version_of_a_file_is_imported_once(
    commission: Program, lake: str, database_url: str
) -> None:
    configure(f'{LAKE}place = "{lake}"\n')
    put(lake, "day=2026-01-05/part-0.parquet", ("e1", "10.00"), ("e2", "20.00"))
    put(lake, "day=2026-01-06/part-0.parquet", ("e3", "30.005"))
    put(lake, "_temporary/part-0.parquet", ("e4", "40.00"))
    put(lake, "day=2026-01-06/part-0.csv", ("e5", "50.00"))
    done = commission("fetch", "--json")
    (fetched,) = json.loads(done.out)["fetched"]
    assert (done.code, events(database_url)) == (3, ["e1", "e2"])
    assert [(each["name"], each["rejected"]) for each in fetched["files"]] == [
        ("day=2026-01-05/part-0.parquet", 0),
        ("day=2026-01-06/part-0.parquet", 1),
    ]
    (row,) = json.loads(commission("rejects", "--json").out)
    assert (row["file"], row["line"]) == ("day=2026-01-06%2Fpart-0.parquet", 1)
    assert commission("fetch").err == "source lake (parquet): nothing new\n"
    put(lake, "day=2026-01-06/part-0.parquet", ("e3", "30.00"))
    (listed,) = json.loads(commission("sources", "--check", "--json").out)
    assert (listed["fetches"], listed["waiting"], listed["refused"]) == (1, 1, 0)
    done = commission("fetch")
    assert (done.code, events(database_url)) == (0, ["e1", "e2", "e3"])
    changed = f"note: {lake}/day=2026-01-06/part-0.parquet: changed since it was imported"
    assert done.err.splitlines()[0] == changed
    anew = commission("fetch", "--anew")
    assert "earnings: 3 read = 0 accepted + 3 duplicate + 0 rejected" in anew.err
    assert commission("verify").code == 0


@on_sqlite
def test_a_file_that_is_refused_as_a_whole_is_not_tried_again(
    commission: Program, lake: str, database_url: str
) -> None:
    configure(f'{LAKE}place = "{lake}"\n')
    put(lake, "a.parquet", ("e1", "10.00"))
    put(lake, "b.parquet", ("e2", "20.00"), amounts=pl.Float64)
    strict = commission("fetch", "--strict")
    said = "b.parquet: the column 'amount' is of type Float64, which is not exact text here"
    assert (strict.code, strict.err.splitlines()[0]) == (1, f"error: {said}")
    done = commission("fetch")
    assert (done.code, f"  refused as a whole: {said}" in done.err.splitlines()) == (3, True)
    assert events(database_url) == ["e1"]
    again = commission("fetch")
    assert (again.code, again.err) == (0, "source lake (parquet): nothing new\n")
    (listed,) = json.loads(commission("sources", "--json").out)
    assert listed["refused"] == 1
    put(lake, "b.parquet", ("e2", "20.00"))
    assert commission("fetch").code == 0
    assert events(database_url) == ["e1", "e2"]


@on_sqlite
def test_a_place_that_cannot_be_read_ends_with_75(
    commission: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "RETRIES", 0)
    monkeypatch.setattr(place, "timedelta", lambda seconds: timedelta(seconds=1))
    found_at(monkeypatch, "http://127.0.0.1:1")
    for where in ("s3://lines/acme", "gone", f"file://{Path('gone').absolute()}"):
        configure(f'{LAKE}place = "{where}"\n')
        done = commission("fetch")
        assert done.code == 75
        assert done.err.startswith(f"error: source 'lake': {where} cannot be read: ")


def test_what_is_no_place_is_said() -> None:
    assert [fault_of(good) for good in ("lake", "s3://b/p", "file:///srv/lake")] == [""] * 3
    for bad in ("gs://bucket", "s3://", "file://host/x"):
        assert fault_of(bad) == (
            f"{bad!r} is no place of files; write a folder, or such as s3://bucket/prefix"
        )
