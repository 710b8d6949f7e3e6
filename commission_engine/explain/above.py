"""Who stood above the earner of an order, as it was known when it was decided, or computed anew."""

from collections.abc import Sequence
from dataclasses import dataclass

from commission_engine.book.corrections import TrueUp
from commission_engine.book.single import Edge
from commission_engine.calendar import BEGINNING, Instant, date_of, iso_instant
from commission_engine.decide import reference
from commission_engine.explain.history import ALL, OrderFacts
from commission_engine.explain.past import Past
from commission_engine.explain.said import Missing, Referrer


@dataclass(frozen=True, slots=True)
class Ancestry:
    """`numbers` and `ids` by level, the earner first; `top` says why there is nobody above."""

    numbers: tuple[int, ...]
    ids: tuple[str, ...]
    referrers: tuple[Referrer, ...]
    top: Missing | None


@dataclass(frozen=True, slots=True)
class _Knowing:
    """What was known of the tree when an event of an order was decided: up to intake `known`, by
    the true-up `up` or, if that is None, by the order's own run."""

    order: OrderFacts
    known: int
    up: TrueUp | None

    @property
    def later(self) -> str:
        """For what was learned after it."""
        return f"after the {named(self.up)}" if self.up else "after this order was decided"

    @property
    def who(self) -> str:
        """Who knew no more than this."""
        if self.up:
            return f"the {named(self.up)} knew, which computed the order anew"
        done = self.order.book.run_of(self.order.root_place)
        return f"{f'the run of {date_of(done.day)}' if done else 'the last run'} knew," + (
            " which decided the order"
        )


def named(up: TrueUp) -> str:
    last = f" to {date_of(up.last)}" if up.last != up.first else ""
    return f"true-up of {date_of(up.first)}{last}"


def ancestry(order: OrderFacts, past: Past, place: int, deepest: int) -> Ancestry:
    """The earner of an order and those above him, up to level `deepest`, as they hold for its event
    that the run at `place` processes."""
    knowing = _Knowing(
        order, past.tree_known(order.root_place, place), past.true_up(order.root_place, place)
    )
    first = order.events[0]
    numbers, ids = [int(first["earner"])], [str(first["earner_id"])]
    referrers: list[Referrer] = []
    while len(ids) <= deepest:
        edges = order.book.edges_of(numbers[-1])
        holds = _holding(ids[-1], edges, order.instant, knowing.known)
        if holds is None or holds.referrer is None or holds.referrer_id is None:
            top = _nobody(knowing, ids[-1], len(ids) - 1, edges)
            return Ancestry(tuple(numbers), tuple(ids), tuple(referrers), top)
        referrers.append(_referrer(knowing, ids[-1], len(ids), edges, holds))
        numbers.append(holds.referrer)
        ids.append(holds.referrer_id)
    return Ancestry(tuple(numbers), tuple(ids), tuple(referrers), None)


def _holding(whose: str, edges: Sequence[Edge], instant: Instant, known: int) -> Edge | None:
    """The edge that holds at an instant, as the plain reference finds it; None: none does."""
    knew = [each for each in edges if each.intake <= known]
    told = [reference.Edge(whose, each.referrer_id, each.since_us) for each in knew]
    begun = reference.edge_at(whose, instant, told)
    if begun is None:
        return None
    (found,) = (each for each in knew if each.since_us == begun.since_us)
    return found


def _referrer(
    knowing: _Knowing, whose: str, level: int, edges: Sequence[Edge], holds: Edge
) -> Referrer:
    now = _holding(whose, edges, knowing.order.instant, ALL)
    later = ""
    if now is not None and now.since_us != holds.since_us:
        then = f"{now.referrer_id or 'nobody'} referred {whose}"
        later = f"learned on {now.learned_at}, {knowing.later}: {then}{_since(now.since_us)}"
    return Referrer(
        level=level,
        affiliate_id=whose,
        referrer_id=str(holds.referrer_id),
        since=iso_instant(holds.since_us),
        known_since=holds.learned_at,
        learned_by=holds.kind,
        reason=holds.reason or "",
        later=later,
    )


def _nobody(knowing: _Knowing, whose: str, level: int, edges: Sequence[Edge]) -> Missing:
    """Why nobody stood above `whose`, who is at `level`, as far as was known."""
    instant, known = knowing.order.instant, knowing.known
    at = iso_instant(instant)
    nobody = f"nobody had referred {whose} (level {level}) at {at}"
    late = _holding(whose, edges, instant, ALL)
    if late is not None and late.intake > known and late.referrer_id:
        return Missing(
            "known_too_late",
            f"{nobody} as far as {knowing.who}: that {late.referrer_id}"
            f" referred {whose}{_since(late.since_us)} was learned only on {late.learned_at}",
        )
    ended = _holding(whose, edges, instant, known)
    if ended is not None:
        why = f' ("{ended.reason}")' if ended.reason else ""
        return Missing(
            "no_referrer_any_more",
            f"{nobody}: the referral had ended{_since(ended.since_us)}{why},"
            f" known since {ended.learned_at}",
        )
    for each in edges:
        if each.intake <= known and each.referrer_id is not None:
            return Missing(
                "referred_later",
                f"{nobody}: {each.referrer_id} refers {whose} only"
                f"{_since(each.since_us)}, which is later",
            )
    return Missing("no_referrer", f"{nobody}, and the book names no referrer of {whose}")


def _since(instant: Instant) -> str:
    return "" if instant == BEGINNING else f" since {iso_instant(instant)}"
