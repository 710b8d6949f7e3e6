"""Pages of a book's listings: put together they are the listing, each row once."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from program import HEADER, Program, shop

from commission_engine.book import audit, holds, newest, payouts, views
from commission_engine.book.connect import connect, reading
from commission_engine.ledger.life import State

T = TypeVar("T")
MANY = "".join(f"e{n},a{n:02},2026-01-05,100.00,USD,\n" for n in range(12))
EDGES = "affiliate_id,referrer_id\n" + "".join(f"a{n:02},b{n:02}\n" for n in range(12))
REFUSED = HEADER + "".join(f"x{n},a{n:02},2026-01-06,{n}.123,USD,\n" for n in range(5))


def together(
    page: Callable[[Any, int], Sequence[T]], key: Callable[[T], Any], limit: int = 2
) -> list[T]:
    """All pages, from the first one on."""
    found: list[T] = []
    last: Any = None
    while part := page(last, limit):
        assert len(part) <= limit
        found += part
        last = key(part[-1])
    return found


def test_pages_put_together_are_the_whole(
    commission: Program, tmp_path: Path, database_url: str
) -> None:
    folder = shop(tmp_path / "shop", HEADER + MANY)
    (folder / "referrals.csv").write_text(EDGES, "utf-8")
    (folder / "refused.csv").write_text(REFUSED, "utf-8")
    commission("import", "earnings", folder / "refused.csv")
    assert commission("run", folder, "--date", "2026-01-05").code == 0
    assert commission("run", "--date", "2026-01-07").code == 0
    day_of_payout = commission("payouts", "--json").out
    ids = sorted(set(re.findall(r"po-\d{8}-[0-9a-v]{16}", day_of_payout)))
    assert len(ids) == 12
    assert commission("payouts", "approve", *ids[:7]).code == 0
    assert commission("payouts", "approve", *ids[7:10]).code == 0
    assert commission("payouts", "reject", ids[0], "--reason", "a doubt").code == 0
    assert commission("payouts", "export").code == 0

    with reading(connect(database_url)) as book:
        assert [row.id for row in together(
            lambda last, limit: newest.changes(book, last, limit), lambda row: row.id
        )] == [row.id for row in reversed(audit.rows(book))]  # fmt: skip
        numbers = together(
            lambda last, limit: newest.refused(book, last, limit, kind="earnings").to_dicts(),
            lambda row: row["id"],
        )
        assert [row["raw"] for row in numbers] == views.refusals(book)["raw"].to_list()[::-1]
        assert newest.refused(book, None, 9, code="conflict").height == 0
        assert newest.attempts(book, None, 9)["id"].to_list() == [2, 1]
        assert newest.attempts(book, 2, 9)["id"].to_list() == [1]
        assert newest.held(book, None, 9).columns == list(holds.LISTED)
        found = newest.affiliates(book, "b", "", 99)
        assert [name for _, name in found] == [f"b{n:02}" for n in range(12)]
        assert newest.affiliates(book, "b", "b09", 99) == found[10:]
        assert newest.affiliates(book, "B%", "", 99) == []

        whole = payouts.payouts(book)
        (day,) = whole["run_day"].unique()
        paged = together(
            lambda last, limit: newest.payouts(book, last, limit, day=day), lambda row: row.key, 5
        )
        assert sorted((each.affiliate_id, each.status, each.batch) for each in paged) == sorted(
            whole.select("affiliate_id", "status", "batch").iter_rows()
        )
        counted = dict(whole.group_by("status").len().iter_rows())
        assert newest.states_of_settlement(book, day) == counted
        assert counted == {State.PENDING: 8, State.VOIDED: 1, State.EXPORTED: 3}
        (file,) = newest.payment_files(book, None, 9)
        assert newest.states_of_batch(book, file.batch) == {State.EXPORTED: 3}
        in_batch = newest.payouts(book, None, 9, batch=file.batch)
        assert {each.status for each in in_batch} == {"exported"}
        assert len(in_batch) == 3
        voided = newest.payouts(book, None, 9, day=day, status="voided")
        assert [each.reason for each in voided] == ["a doubt"]
        assert newest.referrers(book, found[0][0], 2**60) == []
