"""How runs hold: as they were written, or as a true-up has computed them anew."""

from dataclasses import dataclass

from commission_engine.book import single
from commission_engine.book.corrections import TrueUp, holding
from commission_engine.calendar import Day, date_of
from commission_engine.explain.history import Book
from commission_engine.explain.said import TrueUpSaid
from commission_engine.plan.terms import Plan, Terms


@dataclass(frozen=True, slots=True)
class Past:
    """The runs of a book as each was written, with the true-ups that it knew; or, with `anew`, as
    that true-up and those before it have them. A run is named by its place in the book's."""

    book: Book
    anew: TrueUp | None = None

    def true_up(self, root_place: int, place: int) -> TrueUp | None:
        """The true-up whose tree holds for an order of the run at `root_place`, when the run at
        `place` decides an event of it; None: the tree is that which the order's run knew."""
        root = self.book.run_of(root_place)
        if root is None:
            return None
        known = self.anew.intake if self.anew else self.book.known_to(place)
        return holding([each for each in self.book.true_ups if each.intake <= known], root.day)

    def tree_known(self, root_place: int, place: int) -> int:
        """The last intake that counts for the tree of such an event."""
        up = self.true_up(root_place, place)
        return max(up.intake if up else 0, self.book.known_to(root_place))

    def plan(self, place: int) -> Plan:
        """The plan of the run at a place; for what no run has processed the latest."""
        version = self._version(place)
        return self.book.plan if version is None else self.book.plan_of(version)

    def terms(self, place: int, root_day: Day) -> Terms | None:
        return self.plan(place).terms_on(root_day)

    def terms_from(self, starts: Day, place: int) -> list[Terms]:
        """All terms from this day by which the runs up to the one at a place have decided: several
        where a true-up has corrected the plan."""
        versions = {self._version(each) for each in range(place + 1)}
        found: list[Terms] = []
        for plan in (self.book.plan_of(each) for each in sorted(v for v in versions if v)):
            found += [each for each in plan.terms if each.starts == starts and each not in found]
        return found

    def _version(self, place: int) -> int | None:
        run = self.book.run_of(place)
        if run is None:
            return None
        up = self.true_up(place, place) if self.anew else None
        return up.plan_version if up else run.plan_version


def said_true_up(book: Book, up: TrueUp) -> TrueUpSaid:
    told = single.true_up_of(book.connection, up.intake)
    first, last = date_of(up.first).isoformat(), date_of(up.last).isoformat()
    return TrueUpSaid(first, last, told["who"], told["learned_at"], told["reason"])
