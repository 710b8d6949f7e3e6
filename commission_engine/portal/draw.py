"""Pictures as SVG inside a page: no style of their own, texts escaped, sizes in whole numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from commission_engine.money import Minor
from commission_engine.tree.show import visible

LEVELS = 5
"""So many colours there are; levels beyond begin again."""


@dataclass(frozen=True, slots=True)
class Dot:
    """Somebody in a drawn tree, and those below him."""

    called: str
    level: int
    below: Sequence["Dot"]


ROW, STEP, LEFT = 24, 90, 12
LONGEST = 24


def tree_picture(roots: Sequence[Dot], most: int) -> Markup:
    """The first `most` people of a branch: a line for each, further to the right by level. The
    reader stands on top."""
    rows = list(_rows(roots))[:most]
    height, depth = ROW * (len(rows) + 1) + 8, max((level for level, _ in rows), default=0)
    width = LEFT + STEP * depth + 220
    parts = [_node(LEFT, ROW // 2 + 4, "you", 0)]
    above = {0: ROW // 2 + 4}
    for place, (level, called) in enumerate(rows, 1):
        x, y = LEFT + STEP * level, ROW * place + ROW // 2 + 4
        parent = above[level - 1]
        parts.append(
            Markup('<path class="edge" d="M{} {} V{} H{}"/>').format(x - STEP, parent + 6, y, x - 6)
        )
        parts.append(_node(x, y, called, level))
        above[level] = y
    title = f"Your branch: {len(rows)} people on {depth} levels"
    return _svg(width, height, title, parts)


def _rows(dots: Sequence[Dot]) -> Iterator[tuple[int, str]]:
    for dot in dots:
        yield dot.level, dot.called
        yield from _rows(dot.below)


def _node(x: int, y: int, called: str, level: int) -> Markup:
    said = visible(called)
    short = said if len(said) <= LONGEST else said[: LONGEST - 1] + "…"
    return Markup(
        '<circle class="node level{}" cx="{}" cy="{}" r="6"/><text x="{}" y="{}">{}</text>'
    ).format(level % LEVELS, x, y, x + 12, y + 4, short)


BAR, GAP, HIGH, FOOT = 34, 14, 180, 40


def bars_picture(
    title: str, months: Sequence[str], levels: Mapping[int, Sequence[Minor]]
) -> Markup:
    """What each month brought, a bar a month with a part a level; what was taken back in all goes
    below the line. Amounts are minor units of one currency; the table beside it says them."""
    columns = list(zip(*levels.values(), strict=True))
    highest = max((sum(each for each in column if each > 0) for column in columns), default=0)
    lowest = -min((sum(each for each in column if each < 0) for column in columns), default=0)
    span = max(highest + lowest, 1)
    zero = 10 + HIGH * highest // span
    parts = []
    for place, month in enumerate(months):
        x, up, down = GAP + place * (BAR + GAP), zero, zero
        for level, values in sorted(levels.items()):
            size = HIGH * abs(values[place]) // span
            if values[place] > 0:
                up -= size
            y = up if values[place] > 0 else down
            if size:
                parts.append(
                    Markup('<rect class="level{}" x="{}" y="{}" width="{}" height="{}"/>').format(
                        level % LEVELS, x, y, BAR, size
                    )
                )
            if values[place] < 0:
                down += size
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(
                x + BAR // 2, 10 + HIGH + 18, month[2:]
            )
        )
    width = GAP + len(months) * (BAR + GAP)
    parts.append(Markup('<path class="axis" d="M0 {} H{}"/>').format(zero, width))
    return _svg(width, HIGH + FOOT, title, parts)


def _svg(width: int, height: int, title: str, parts: Sequence[Markup]) -> Markup:
    opening = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{}" viewBox="0 0 {} {}"'
        ' width="{}" height="{}">'
    ).format(title, width, height, width, height)
    return opening + Markup("").join(parts) + Markup("</svg>")
