"""What an affiliate earned, by month of the runs and by level: a chart, and the same as a table."""

from collections import defaultdict
from datetime import date

import polars as pl
from starlette.responses import Response

from commission_engine.book import readers
from commission_engine.book.reader_lines import totals
from commission_engine.calendar import Day, date_of, day_of
from commission_engine.portal.access import Asked, about
from commission_engine.portal.amounts import shown
from commission_engine.portal.draw import LEVELS, bars_picture
from commission_engine.portal.render import page

MONTHS = 12


def earnings(asked: Asked) -> Response:
    """The last twelve months up to that of the last run, from the first in which something was
    earned; a chart and a table a currency."""
    last = readers.last_run(asked.book)
    if last is None:
        return page(asked, "earnings.html", charts=[], levels=LEVELS)
    months = last_months(last)
    store = asked.portal.lines(asked.book)
    first = day_of(date.fromisoformat(f"{months[0]}-01"))
    rows = totals(asked.book, store, asked.of.number, first, last)
    begun = min(rows["month"].to_list(), default=months[0])
    months = [each for each in months if each >= begun]
    return page(asked, "earnings.html", charts=_charts(rows, months), levels=LEVELS)


def last_months(last: Day) -> list[str]:
    """Twelve months as 2026-01, the one of a day at the end."""
    day = date_of(last)
    numbers = range(day.year * 12 + day.month - MONTHS, day.year * 12 + day.month)
    return [f"{number // 12:04}-{number % 12 + 1:02}" for number in numbers]


def _charts(rows: pl.DataFrame, months: list[str]) -> list[dict[str, object]]:
    """`rows` as `totals` gives them."""
    sums: dict[tuple[str, int], dict[int, dict[str, int]]] = defaultdict(dict)
    for code, decimals, month, level, minor in rows.iter_rows():
        sums[code, decimals].setdefault(level, {})[month] = minor
    charts: list[dict[str, object]] = []
    for (code, decimals), by_level in sorted(sums.items()):
        levels = {
            level: [by_month.get(month, 0) for month in months]
            for level, by_month in sorted(by_level.items())
        }
        table = [
            {
                "month": month,
                "levels": [shown(values[place], code, decimals) for values in levels.values()],
                "total": shown(sum(each[place] for each in levels.values()), code, decimals),
            }
            for place, month in enumerate(months)
        ]
        picture = bars_picture(f"Earned in {code} by month; the table says it", months, levels)
        charts.append({"currency": code, "picture": picture, "levels": list(levels), "rows": table})
    return charts


PAGES = (*about("/earnings", earnings, menu="Earnings"),)
