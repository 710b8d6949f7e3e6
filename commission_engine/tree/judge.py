"""Which referral edges are news, which are known, and which would break the forest.

Nobody has two referrers or is above himself, at any instant. All edges of one import are judged
together, so that which of them are accepted does not depend on their order.
"""

import polars as pl

from commission_engine.calendar import Instant, iso_instant
from commission_engine.problems import Code
from commission_engine.tree.cycles import loops, spell
from commission_engine.verdict import Verdict, conclude, copies, numbered, refuse

_EDGE = ("affiliate_id", "referrer_id", "since_us")


def judge_referrals(rows: pl.DataFrame, known: pl.DataFrame) -> Verdict:
    """Judge the referrals of one import.

    `rows`: affiliate_id, referrer_id, since_us and their place. `known`: affiliate_id,
    referrer_id (null: none from then on), since_us of all edges of the book, which stand.
    """
    rows = numbered(rows)
    own = pl.col("affiliate_id") == pl.col("referrer_id")
    others = rows.filter(~own)
    met = others.join(known, on="affiliate_id", how="semi")
    fresh = others.join(known, on="affiliate_id", how="anti")
    rivals, fresh = _rivals(fresh)
    clashes, fresh = _clashes(fresh)
    repeats = copies(fresh, "affiliate_id")
    candidates = fresh.join(repeats, on="row", how="anti")
    refused = [
        _self_referrals(rows.filter(own)),
        *_against_book(met, known),
        rivals,
        clashes,
        _on_loops(candidates, known),
    ]
    equal = met.join(known, on=_EDGE, how="semi")
    return conclude(rows, refused, [equal], [repeats])


def judge_move(
    edges: pl.DataFrame, affiliate_id: str, referrer_id: str | None, since_us: Instant
) -> str | None:
    """Why an affiliate cannot get this referrer (None: no more referrer) from `since_us` on.

    `edges` as `known` of `judge_referrals`. None is the answer when he can.
    """
    if referrer_id == affiliate_id:
        return f"{affiliate_id} cannot be referred by himself"
    own = edges.filter(pl.col("affiliate_id") == affiliate_id).sort("since_us")
    latest = own["since_us"][-1] if own.height else None
    current = own["referrer_id"][-1] if own.height else None
    if latest is not None and since_us <= latest:
        return (
            f"the referrer of {affiliate_id} was last set as of "
            f"{iso_instant(latest) or 'the beginning'}; a move must be later"
        )
    if referrer_id == current:
        return f"the referrer of {affiliate_id} is {current or 'nobody'} already"
    move = pl.DataFrame(
        [(affiliate_id, referrer_id, since_us)], edges.select(_EDGE).schema, orient="row"
    )
    for loop in loops(pl.concat([edges.select(_EDGE), move])):
        if affiliate_id in loop:
            shown = spell(loop, list(loop).index(affiliate_id))
            return f"{shown}: nobody can be above himself; name a referrer outside this branch"
    return None


def _self_referrals(rows: pl.DataFrame) -> pl.DataFrame:
    return refuse(
        rows,
        Code.SELF_REFERRAL,
        "referrer_id",
        pl.col("referrer_id"),
        pl.format("{} cannot be referred by himself; name another referrer", "affiliate_id"),
    )


def _against_book(met: pl.DataFrame, known: pl.DataFrame) -> list[pl.DataFrame]:
    """The refusals of edges of affiliates that have other edges in the book."""
    latest = known.sort("since_us").unique("affiliate_id", keep="last", maintain_order=True)
    pair = ["affiliate_id", "referrer_id"]
    same_referrer = known.sort("since_us").unique(pair, keep="last", maintain_order=True)
    news = met.join(known, on=_EDGE, how="anti")
    redated = news.join(same_referrer, on=pair, suffix="_known")
    second = news.join(known, on=pair, how="anti").join(
        latest, on="affiliate_id", suffix="_known", how="left"
    )
    return [
        refuse(
            redated.with_columns(
                said=_instants(redated["since_us"], ""),
                known=_instants(redated["since_us_known"], "the beginning"),
            ),
            Code.CONFLICT,
            "since",
            pl.col("said"),
            pl.format(
                "{} is already known as referred by {} since {}; the first stands", *pair, "known"
            ),
        ),
        refuse(
            second,
            Code.SECOND_REFERRER,
            "referrer_id",
            pl.col("referrer_id"),
            pl.format(
                "the referrer of {} is {}; it is changed with commission tree move",
                "affiliate_id",
                pl.col("referrer_id_known").fill_null("nobody"),
            ),
        ),
    ]


def _rivals(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The refusal of affiliates to whom this import gives several referrers; the other rows."""
    counted = rows.with_columns(referrers=pl.col("referrer_id").n_unique().over("affiliate_id"))
    refused = refuse(
        counted.filter(pl.col("referrers") > 1),
        Code.SECOND_REFERRER,
        "referrer_id",
        pl.col("referrer_id"),
        pl.format(
            "{} comes with {} different referrers in this import; keep the right one",
            "affiliate_id",
            "referrers",
        ),
    )
    return refused, rows.join(refused, on="row", how="anti")


def _clashes(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The refusal of edges to which this import gives several dates; the other rows."""
    dated = rows.with_columns(dates=pl.col("since_us").n_unique().over("affiliate_id"))
    clash = dated.filter(pl.col("dates") > 1)
    refused = refuse(
        clash.with_columns(said=_instants(clash["since_us"], "")),
        Code.CONFLICT,
        "since",
        pl.col("said"),
        pl.format(
            "{} comes with {} different dates in this import; keep the right one",
            "affiliate_id",
            "dates",
        ),
    )
    return refused, rows.join(refused, on="row", how="anti")


def _on_loops(candidates: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The refusal of the candidates on a loop with one another or with edges of the book.

    A candidate is the only edge its affiliate has, so an affiliate on a loop tells the edge.
    """
    edges = pl.concat([candidates.select(_EDGE), known.select(_EDGE)])
    if not candidates["affiliate_id"].is_in(edges["referrer_id"].implode()).any():
        edges = edges.clear()  # the usual night: new affiliates that have no referrals yet
    shown: dict[str, str] = {}
    for loop in loops(edges):
        for place, name in enumerate(loop):
            if name not in shown:
                shown[name] = spell(loop, place)
    looping = pl.DataFrame(
        {"affiliate_id": list(shown), "loop": list(shown.values())},
        {"affiliate_id": pl.String, "loop": pl.String},
    )
    return refuse(
        candidates.join(looping, on="affiliate_id"),
        Code.CYCLE,
        "referrer_id",
        pl.col("referrer_id"),
        pl.format("{}: nobody can be above himself; one of these edges is wrong", "loop"),
    )


def _instants(instants: pl.Series, beginning: str) -> pl.Series:
    return pl.Series([iso_instant(instant) or beginning for instant in instants], dtype=pl.String)
