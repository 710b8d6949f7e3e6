"""An affiliate's own branch of the tree: as a list to be opened, and as a picture.

As deep as the plan pays, because nobody is told more of people whom he does not know. Wide branches
are cut, and it is said by how many.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from commission_engine.book import readers
from commission_engine.book.readers import Referred
from commission_engine.plan.terms import Plan
from commission_engine.portal.access import Asked, about
from commission_engine.portal.callings import Callings
from commission_engine.portal.draw import Dot, tree_picture
from commission_engine.portal.lines import plan_of
from commission_engine.portal.render import page

DIRECT = 50
"""So many direct referrals are on a page."""
BELOW = 15
"""And so many below each of the others."""
MOST = 600
"""And so many people in all."""
DRAWN = 60


@dataclass(frozen=True, slots=True)
class Node:
    """Somebody of the branch: how he is called, and those below him; `more` are not shown."""

    called: str
    level: int
    referred: int
    below: Sequence["Node"]

    @property
    def more(self) -> int:
        return self.referred - len(self.below)


def branch(asked: Asked) -> Response:
    plan = plan_of(asked)
    deepest = max((each.level for terms in plan.terms for each in terms.levels), default=0)
    after = int(asked.query("after")) if asked.query("after").isdecimal() else 0
    grown = Growing(asked, plan, deepest)
    nodes = grown.from_(after) if deepest else []
    return page(
        asked,
        "branch.html",
        nodes=nodes,
        deepest=deepest,
        more=grown.more,
        picture=tree_picture([_dot(each) for each in nodes], DRAWN) if nodes else "",
        first=not after,
    )


class Growing:
    """A branch as it is read, some people at a time."""

    def __init__(self, asked: Asked, plan: Plan, deepest: int) -> None:
        self._asked, self._deepest = asked, deepest
        masked = asked.visitor.masked
        self._callings = Callings(
            plan.name, asked.of.affiliate_id, {}, masked, asked.portal.pseudonym_key
        )
        self._now = asked.portal.clock() * 1_000_000
        self._left = MOST
        self.more = 0
        """Where the next page goes on; 0: nowhere."""

    def from_(self, after: int) -> list[Node]:
        """The direct referrals after the one of this number, each with his branch."""
        found = self._below(self._asked.of.number, DIRECT + 1, min(after, 2**62))
        if len(found) > DIRECT:
            self.more = found[DIRECT - 1].number
        return [self._node(each, 1) for each in found[:DIRECT]]

    def _node(self, who: Referred, level: int) -> Node:
        below: Sequence[Referred] = ()
        if level < self._deepest and who.referred and self._left > 0:
            below = self._below(who.number, min(BELOW, self._left))
        nodes = [self._node(each, level + 1) for each in below]
        # Beyond what is paid nobody is told how many there are.
        referred = who.referred if level < self._deepest else 0
        return Node(self._called(who, level), level, referred, nodes)

    def _below(self, number: int, limit: int, after: int = 0) -> Sequence[Referred]:
        found = readers.referred(self._asked.book, number, self._now, limit=limit, after=after)
        self._left -= len(found)
        return found

    def _called(self, who: Referred, level: int) -> str:
        if level == 1:
            return self._callings.direct(who.affiliate_id, who.name)
        return self._callings.hidden(who.affiliate_id)


def _dot(node: Node) -> Dot:
    return Dot(node.called, node.level, [_dot(each) for each in node.below])


PAGES = (*about("/referrals", branch, menu="Referrals"),)
