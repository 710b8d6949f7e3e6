"""Turn the UCI "Online Retail" data set into the input files of a referral programme.

    python examples/online_retail/build.py SOURCE.csv.gz [--out DIR]

SOURCE is the data set as CSV, gzipped or not. The rules are explained in the README beside this
file. The same rows give the same bytes, whatever order they come in.
"""

import argparse
import csv
import hashlib
import json
import sys
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

SHOP_ZONE = "Europe/London"
CURRENCY = "GBP"

SOURCE_COLUMNS = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)

# The referral tree is not in the data. These shares, in percent, shape the one we make up.
CAME_ALONE_PERCENT = 10
CREDIT_PASSED_UP_PERCENT = 50

# Who is not active, by rank in the number of customers referred. High ranks earn every month,
# so that the statements show what a status does.
STATUS_BY_RANK = {5: "suspended", 10: "closed", 15: "suspended", 20: "closed", 25: "suspended"}

# ISO 3166 code and a plausible language. Three of the data's "countries" have no code of their own.
COUNTRIES = {
    "Australia": ("AU", "en-AU"),
    "Austria": ("AT", "de-AT"),
    "Bahrain": ("BH", "ar-BH"),
    "Belgium": ("BE", "nl-BE"),
    "Brazil": ("BR", "pt-BR"),
    "Canada": ("CA", "en-CA"),
    "Channel Islands": ("", "en-GB"),
    "Cyprus": ("CY", "el-CY"),
    "Czech Republic": ("CZ", "cs-CZ"),
    "Denmark": ("DK", "da-DK"),
    "EIRE": ("IE", "en-IE"),
    "European Community": ("", "en-GB"),
    "Finland": ("FI", "fi-FI"),
    "France": ("FR", "fr-FR"),
    "Germany": ("DE", "de-DE"),
    "Greece": ("GR", "el-GR"),
    "Hong Kong": ("HK", "en-HK"),
    "Iceland": ("IS", "is-IS"),
    "Israel": ("IL", "he-IL"),
    "Italy": ("IT", "it-IT"),
    "Japan": ("JP", "ja-JP"),
    "Lebanon": ("LB", "ar-LB"),
    "Lithuania": ("LT", "lt-LT"),
    "Malta": ("MT", "en-MT"),
    "Netherlands": ("NL", "nl-NL"),
    "Norway": ("NO", "nb-NO"),
    "Poland": ("PL", "pl-PL"),
    "Portugal": ("PT", "pt-PT"),
    "RSA": ("ZA", "en-ZA"),
    "Saudi Arabia": ("SA", "ar-SA"),
    "Singapore": ("SG", "en-SG"),
    "Spain": ("ES", "es-ES"),
    "Sweden": ("SE", "sv-SE"),
    "Switzerland": ("CH", "de-CH"),
    "USA": ("US", "en-US"),
    "United Arab Emirates": ("AE", "ar-AE"),
    "United Kingdom": ("GB", "en-GB"),
    "Unspecified": ("", "en-GB"),
}


class SourceError(ValueError):
    """The source is not the data set this script knows how to read."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the shop's book: an article sold on an invoice, or taken back by a cancellation.

    `quantity` is negative on a cancellation. `price_mills` is in thousandths of a pound, the
    finest the data know. `at` is the instant of the whole document, ISO 8601 in UTC, so it sorts
    as text.
    """

    document: str
    customer: str
    country: str
    article: str
    quantity: int
    price_mills: int
    at: str

    @property
    def amount_mills(self) -> int:
        return self.quantity * self.price_mills


@dataclass(frozen=True, slots=True)
class Taken:
    """A cancelled line with the invoice it takes goods back from; None when no invoice fits."""

    line: Line
    order: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """One row of earnings.csv. `reverses` is empty on an invoice and on an adjustment."""

    event_id: str
    customer: str
    at: str
    amount_mills: int
    reverses: str

    @property
    def amount_pence(self) -> int:
        return pence(self.amount_mills)


@dataclass(frozen=True, slots=True)
class Affiliate:
    """One row of affiliates.csv."""

    affiliate_id: str
    country: str
    locale: str
    status: str


# --- money ------------------------------------------------------------------------------------


def pence(mills: int) -> int:
    """Whole pence, rounded toward zero.

    Toward zero because then the parts of an order, each rounded, can never add up to more than
    the order: a reversal always fits.

    >>> pence(102_301), pence(-5_009)
    (10230, -500)
    """
    return mills // 10 if mills >= 0 else -(-mills // 10)


def decimal_text(units: int, decimals: int) -> str:
    """A whole number of small units as a plain decimal.

    >>> decimal_text(-1_005, 2), decimal_text(4, 3)
    ('-10.05', '0.004')
    """
    whole, part = divmod(abs(units), 10**decimals)
    return f"{'-' if units < 0 else ''}{whole}.{part:0{decimals}}"


# --- reading ----------------------------------------------------------------------------------


def mills_of(price: pl.Expr) -> pl.Expr:
    """A price text such as "2.5" as a whole number of mills; null unless that is exact."""
    parts = price.str.extract_groups(r"^(-?)(\d+)(?:\.(\d{1,3})0*)?$").struct
    whole = parts[1].cast(pl.Int64) * 1000
    part = parts[2].fill_null("").str.pad_end(3, "0").cast(pl.Int64)
    return pl.when(parts[0] == "-").then(-whole - part).otherwise(whole + part)


def instant_of(local: pl.Expr) -> pl.Expr:
    """The shop's wall clock as an instant in UTC, ISO 8601; null when it is no such time."""
    return (
        local.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False)
        .dt.replace_time_zone(SHOP_ZONE, ambiguous="earliest", non_existent="null")
        .dt.convert_time_zone("UTC")
        .dt.to_string("%Y-%m-%dT%H:%M:%SZ")
    )


def read_rows(source: Path) -> pl.DataFrame:
    """Every row of the source. All of it is read as text first; nothing passes through a float."""
    texts = pl.read_csv(source, infer_schema=False)
    missing = [column for column in SOURCE_COLUMNS if column not in texts.columns]
    if missing:
        raise SourceError(f"no column {', '.join(missing)}")
    rows = texts.select(
        document=pl.col("InvoiceNo"),
        customer=pl.col("CustomerID").fill_null("").str.strip_suffix(".0"),
        country=pl.col("Country"),
        article=pl.col("StockCode"),
        description=pl.col("Description").fill_null(""),
        quantity=pl.col("Quantity").cast(pl.Int64, strict=False),
        price_mills=mills_of(pl.col("UnitPrice")),
        at=instant_of(pl.col("InvoiceDate")),
    )
    unreadable = texts.filter(rows.select(pl.any_horizontal(pl.all().is_null())).to_series())
    if unreadable.height:
        first = unreadable.row(0)
        raise SourceError(f"{unreadable.height} rows cannot be read, the first is {first}")
    return rows.with_columns(cancels=pl.col("document").str.starts_with("C"))


def check_customer_rows(rows: pl.DataFrame) -> None:
    """The promises that the rules for invoices and cancellations rest on."""
    unknown_country = rows.filter(~pl.col("country").is_in(list(COUNTRIES)))
    if unknown_country.height:
        raise SourceError(f"a country without a code here: {unknown_country.row(0)}")
    wrong_sign = rows.filter(pl.col("cancels") != (pl.col("quantity") < 0))
    if wrong_sign.height:
        raise SourceError(f"a cancellation, and only that, is negative: {wrong_sign.row(0)}")
    negative_price = rows.filter(pl.col("price_mills") < 0)
    if negative_price.height:
        raise SourceError(f"a price is negative: {negative_price.row(0)}")
    shared = rows.filter(pl.col("customer").n_unique().over("document") > 1)
    if shared.height:
        raise SourceError(f"an invoice belongs to two customers: {shared.row(0)}")


def lines_of(rows: pl.DataFrame) -> list[Line]:
    """The rows as lines, each at the earliest time stamp of its document."""
    columns = list(Line.__dataclass_fields__)
    dated = rows.with_columns(pl.col("at").min().over("document")).select(columns)
    return [Line(*values) for values in dated.iter_rows()]


# --- invoices and cancellations ---------------------------------------------------------------


def match(sold: Iterable[Line], cancelled: Iterable[Line]) -> list[Taken]:
    """Find the invoice that each cancelled line takes goods back from.

    It is the latest invoice, not after the cancellation, of the same customer with the same
    article at the same price and at least that quantity not yet taken back. Cancellations take
    their turn by time; within one, by article, price and larger quantity first.
    """
    shelves: dict[tuple[str, str, int], Counter[tuple[str, str]]] = defaultdict(Counter)
    for line in sold:
        shelf = shelves[line.customer, line.article, line.price_mills]
        shelf[line.at, line.document] += line.quantity

    taken = []
    for line in sorted(cancelled, key=turn):
        left = shelves[line.customer, line.article, line.price_mills]
        fits = [lot for lot in left if lot[0] <= line.at and left[lot] >= -line.quantity]
        lot = max(fits, default=None)
        if lot:
            left[lot] += line.quantity
        taken.append(Taken(line, lot[1] if lot else None))
    return taken


def turn(line: Line) -> tuple[str, str, str, int, int]:
    return line.at, line.document, line.article, line.price_mills, line.quantity


def order_events(sold: Iterable[Line]) -> list[Event]:
    """One earning per invoice, free ones included."""
    return add_up((line.document, "", line) for line in sold)


def reversal_events(taken: Iterable[Taken]) -> list[Event]:
    """One reversal per cancellation and invoice that it takes goods back from."""
    found = ((f"{t.line.document}-{t.order}", t.order, t.line) for t in taken if t.order)
    return [event for event in add_up(found) if event.amount_pence]


def adjustment_events(taken: Iterable[Taken]) -> list[Event]:
    """One adjustment per cancellation for all its lines that fit no invoice."""
    lost = ((f"{t.line.document}-adj", "", t.line) for t in taken if t.order is None)
    return [event for event in add_up(lost) if event.amount_pence]


def add_up(parts: Iterable[tuple[str, str, Line]]) -> list[Event]:
    """One event per event id, over (event id, what it reverses, line); summed before rounding."""
    sums: Counter[str] = Counter()
    heads: dict[str, tuple[str, Line]] = {}
    for event_id, reverses, line in parts:
        sums[event_id] += line.amount_mills
        heads[event_id] = reverses, line
    return [
        Event(event_id, line.customer, line.at, sums[event_id], reverses)
        for event_id, (reverses, line) in heads.items()
    ]


# --- the referral tree ------------------------------------------------------------------------


def pick(purpose: str, customer: str, choices: int) -> int:
    """A number from 0 to `choices` - 1 that depends on nothing but its arguments.

    >>> pick("alone", "17850", 100) == pick("alone", "17850", 100)
    True
    """
    digest = hashlib.sha256(f"{purpose}:{customer}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % choices


def first_purchases(orders: Iterable[Event]) -> dict[str, str]:
    """When each customer bought for the first time, earliest first."""
    first: dict[str, str] = {}
    for order in sorted(orders, key=lambda order: (order.at, order.customer)):
        first.setdefault(order.customer, order.at)
    return first


def refer(first: Mapping[str, str]) -> dict[str, str]:
    """Give customers a referrer who bought before they did. `first` is earliest first.

    A new customer meets any earlier one; half of the time the credit passes up to the referrer of
    the one met. So whoever has referred many is credited through each of them and refers still
    more: that makes the few hubs and the many customers without referrals of real programmes.
    """
    customers, instants = list(first), list(first.values())
    referrers: dict[str, str] = {}
    for customer, instant in first.items():
        earlier = bisect_left(instants, instant)
        if not earlier or pick("alone", customer, 100) < CAME_ALONE_PERCENT:
            continue
        met = customers[pick("met", customer, earlier)]
        passed_up = pick("credit", customer, 100) < CREDIT_PASSED_UP_PERCENT
        referrers[customer] = referrers.get(met, met) if passed_up else met
    return referrers


def generations(customers: Iterable[str], referrers: Mapping[str, str]) -> Counter[int]:
    """How many customers stand in each generation; those without a referrer are the first."""
    return Counter(1 + len(ancestors(customer, referrers)) for customer in customers)


def ancestors(customer: str, referrers: Mapping[str, str]) -> list[str]:
    """The referrer, the referrer's referrer and so on.

    >>> ancestors("cat", {"cat": "bob", "bob": "ann"})
    ['bob', 'ann']
    """
    chain = []
    above = referrers.get(customer)
    while above is not None:
        chain.append(above)
        above = referrers.get(above)
    return chain


# --- affiliates -------------------------------------------------------------------------------


def affiliates_of(lines: Iterable[Line], referrers: Mapping[str, str]) -> list[Affiliate]:
    """Every customer, in the country of the earliest document."""
    statuses = statuses_of(referrers)
    earliest: dict[str, Line] = {}
    for line in lines:
        known = earliest.get(line.customer, line)
        earliest[line.customer] = min(known, line, key=lambda line: (line.at, line.document))
    return [
        Affiliate(customer, *COUNTRIES[line.country], statuses.get(customer, "active"))
        for customer, line in sorted(earliest.items())
    ]


def statuses_of(referrers: Mapping[str, str]) -> dict[str, str]:
    direct = Counter(referrers.values())
    ranking = sorted(direct, key=lambda customer: (-direct[customer], customer))
    return {
        customer: STATUS_BY_RANK[rank]
        for rank, customer in enumerate(ranking, start=1)
        if rank in STATUS_BY_RANK
    }


# --- counting ---------------------------------------------------------------------------------


def tally(rows: pl.DataFrame) -> dict[str, object]:
    mills = int((rows["quantity"] * rows["price_mills"]).sum())
    return {"rows": rows.height, "amount": decimal_text(mills, 3)}


def event_tally(events: Sequence[Event]) -> dict[str, object]:
    total = sum(event.amount_pence for event in events)
    return {"events": len(events), "amount": decimal_text(total, 2)}


def count_rows(rows: pl.DataFrame, kept: pl.DataFrame) -> dict[str, object]:
    """What was read, what was left out and why; amounts to the mill, as in the source."""
    nobody = rows.filter(pl.col("customer") == "")
    bad_debt = pl.col("document").str.starts_with("A")
    stock = ~pl.col("cancels") & (pl.col("quantity") < 0)
    several_times = kept.filter(pl.col("at").n_unique().over("document") > 1)
    return {
        "read": tally(rows),
        "kept": tally(kept),
        "kept_identical_to_another_row": kept.height - kept.unique().height,
        "left_out_without_customer": {
            "all": tally(nobody),
            "sales": tally(nobody.filter(~pl.col("cancels") & ~stock & ~bad_debt)),
            "cancellations": tally(nobody.filter(pl.col("cancels"))),
            "stock_corrections": tally(nobody.filter(stock)),
            "bad_debt": tally(nobody.filter(bad_debt)),
        },
        "documents_with_several_timestamps": several_times["document"].n_unique(),
    }


def count_earnings(
    orders: Sequence[Event], reversals: Sequence[Event], adjustments: Sequence[Event]
) -> dict[str, object]:
    events = [*orders, *reversals, *adjustments]
    exact = sum(event.amount_mills for event in events)
    rounded = sum(event.amount_pence * 10 for event in events)
    reversed_pence = Counter[str]()
    for reversal in reversals:
        reversed_pence[reversal.reverses] -= reversal.amount_pence
    return {
        "all": event_tally(events),
        "invoices": event_tally(orders),
        "invoices_of_zero": sum(not order.amount_pence for order in orders),
        "invoices_with_reversals": len(reversed_pence),
        "invoices_wholly_reversed": sum(
            order.amount_pence == reversed_pence[order.event_id] > 0 for order in orders
        ),
        "reversals": event_tally(reversals),
        "adjustments": event_tally(adjustments),
        "lost_to_rounding": decimal_text(exact - rounded, 3),
    }


def count_cancellations(taken: Sequence[Taken]) -> dict[str, object]:
    return {
        "documents": len({t.line.document for t in taken}),
        "rows": len(taken),
        "rows_matched": sum(t.order is not None for t in taken),
        "rows_without_a_match": sum(t.order is None for t in taken),
    }


def count_people(
    affiliates: Sequence[Affiliate], first: Mapping[str, str], referrers: Mapping[str, str]
) -> dict[str, object]:
    direct = Counter(referrers.values())
    sizes = generations((a.affiliate_id for a in affiliates), referrers)
    return {
        "affiliates": len(affiliates),
        "affiliates_by_status": dict(sorted(Counter(a.status for a in affiliates).items())),
        "affiliates_without_a_purchase": len(affiliates) - len(first),
        "referrals": len(referrers),
        "generations": {str(generation): sizes[generation] for generation in sorted(sizes)},
        "affiliates_by_direct_referrals": {
            "0": len(affiliates) - len(direct),
            "1-2": sum(n <= 2 for n in direct.values()),
            "3-9": sum(3 <= n <= 9 for n in direct.values()),
            "10-49": sum(10 <= n <= 49 for n in direct.values()),
            "50 or more": sum(n >= 50 for n in direct.values()),
        },
        "most_direct_referrals": max(direct.values(), default=0),
    }


# --- writing ----------------------------------------------------------------------------------


def write_csv(file: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_affiliates(file: Path, affiliates: Iterable[Affiliate]) -> None:
    write_csv(
        file,
        ["affiliate_id", "name", "email", "country", "locale", "status"],
        (
            [a.affiliate_id, f"Customer {a.affiliate_id}", "", a.country, a.locale, a.status]
            for a in affiliates
        ),
    )


def write_referrals(file: Path, referrers: Mapping[str, str], first: Mapping[str, str]) -> None:
    write_csv(
        file,
        ["affiliate_id", "referrer_id", "since"],
        ([customer, referrers[customer], first[customer]] for customer in sorted(referrers)),
    )


def write_earnings(file: Path, events: Iterable[Event]) -> None:
    write_csv(
        file,
        ["event_id", "affiliate_id", "occurred_at", "amount", "currency", "reverses"],
        (
            [e.event_id, e.customer, e.at, decimal_text(e.amount_pence, 2), CURRENCY, e.reverses]
            for e in sorted(events, key=lambda event: (event.at, event.event_id))
        ),
    )


def write_counts(file: Path, counts: Mapping[str, object]) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(json.dumps(counts, indent=2) + "\n")


# --- the whole --------------------------------------------------------------------------------


def build(source: Path, out: Path) -> None:
    rows = read_rows(source)
    kept = rows.filter(pl.col("customer") != "")
    check_customer_rows(kept)

    sold = lines_of(kept.filter(~pl.col("cancels")))
    cancelled = lines_of(kept.filter(pl.col("cancels")))
    taken = match(sold, cancelled)
    orders = order_events(sold)
    reversals = reversal_events(taken)
    adjustments = adjustment_events(taken)

    first = first_purchases(orders)
    referrers = refer(first)
    affiliates = affiliates_of([*sold, *cancelled], referrers)

    out.mkdir(parents=True, exist_ok=True)
    write_affiliates(out / "affiliates.csv", affiliates)
    write_referrals(out / "referrals.csv", referrers, first)
    write_earnings(out / "earnings.csv", [*orders, *reversals, *adjustments])
    write_counts(
        out / "counts.json",
        {
            "source_rows": count_rows(rows, kept),
            "cancellations": count_cancellations(taken),
            "earnings": count_earnings(orders, reversals, adjustments),
            "people": count_people(affiliates, first, referrers),
        },
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build the online_retail example from its source.")
    parser.add_argument("source", type=Path, help="the UCI Online Retail data set as CSV or CSV.gz")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent, help="default: the folder of this script"
    )
    options = parser.parse_args(arguments)
    try:
        build(options.source, options.out)
    except SourceError as problem:
        print(f"{options.source}: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
