"""Curves on logarithmic axes as SVG, by hand: no library for plots is needed for a few lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 400, 270
"""Of one panel; there are two in a row."""
LEFT, RIGHT, TOP, BOTTOM = 52, 24, 34, 40
LEGEND_ROW = 14

COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#9a6700")
DARK_COLOURS = ("#58a6ff", "#ff9b50", "#56d364", "#bc8cff", "#e3b341")
"""Of the curves, in their order in a panel."""

STYLE = """\
.page{fill:#ffffff}.frame{fill:none;stroke:#8c959f}.grid{stroke:#d8dee4}
text{font:11px sans-serif;fill:#1f2328}.title{font-weight:bold;font-size:12px}
.curve{fill:none;stroke-width:2}.guide{fill:none;stroke:#6e7781;stroke-dasharray:5 4}
"""
DARK_STYLE = """\
.page{fill:#0d1117}.frame{stroke:#6e7681}.grid{stroke:#262c36}
text{fill:#e6edf3}.guide{stroke:#9198a1}
"""


@dataclass(frozen=True, slots=True)
class Curve:
    """(x, y) from left to right, all above zero. A `guide` is dashed, and has no dots."""

    name: str
    points: Sequence[tuple[float, float]]
    guide: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    below: str
    curves: Sequence[Curve]


@dataclass(frozen=True, slots=True)
class _Axis:
    """Powers of ten `low` to `high`, drawn from `begin` to `end`."""

    low: int
    high: int
    begin: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], begin: float, end: float) -> "_Axis":
        low, high = floor(log10(min(values)) + 1e-9), ceil(log10(max(values)) - 1e-9)
        return cls(low, max(high, low + 1), begin, end)

    def __call__(self, value: float) -> float:
        part = (log10(value) - self.low) / (self.high - self.low)
        return round(self.begin + part * (self.end - self.begin), 1)

    @property
    def ticks(self) -> Iterator[float]:
        return (10.0**power for power in range(self.low, self.high + 1))


def picture(panels: Sequence[Panel]) -> str:
    """The panels, two in a row. The colours follow those of the page's reader, light or dark."""
    rows = ceil(len(panels) / 2)
    body = [
        f'<g transform="translate({number % 2 * WIDTH} {number // 2 * HEIGHT})">\n{drawn}\n</g>'
        for number, drawn in enumerate("\n".join(_panel(each)) for each in panels)
    ]
    dark = f"@media (prefers-color-scheme:dark){{\n{DARK_STYLE}{_coloured(DARK_COLOURS)}}}\n"
    style = f"<style>\n{STYLE}{_coloured(COLOURS)}{dark}</style>\n"
    size = f'width="{2 * WIDTH}" height="{rows * HEIGHT}"'
    box = f'viewBox="0 0 {2 * WIDTH} {rows * HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box}>\n{style}'
    return "\n".join([f'{head}<rect class="page" {size}/>', *body, "</svg>\n"])


def _coloured(colours: Sequence[str]) -> str:
    # Viewers differ in what they know of CSS; all of them know this much.
    return "".join(
        f".curve.s{number}{{stroke:{each}}}.dot.s{number}{{fill:{each}}}\n"
        for number, each in enumerate(colours)
    )


def _panel(panel: Panel) -> Iterator[str]:
    points = [point for curve in panel.curves for point in curve.points]
    # The legend lies above the curves, on a part of the axis that is added for it.
    bottom, legend = HEIGHT - BOTTOM, TOP + 6 + LEGEND_ROW * len(panel.curves)
    across = _Axis.over([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = _Axis.over([y for _, y in points], bottom, legend)
    yield f'<text class="title" x="{LEFT}" y="{TOP - 12}">{escape(panel.title)}</text>'
    for value in across.ticks:
        x = across(value)
        yield f'<path class="grid" d="M{x} {legend}V{bottom}"/>'
        yield f'<text x="{x}" y="{bottom + 15}" text-anchor="middle">{_said(value)}</text>'
    for value in up.ticks:
        y = up(value)
        yield f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{_said(value)}</text>'
    middle = (LEFT + WIDTH - RIGHT) // 2
    yield f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(panel.below)}</text>'
    size = f'width="{WIDTH - RIGHT - LEFT}" height="{bottom - TOP}"'
    yield f'<rect class="frame" x="{LEFT}" y="{TOP}" {size}/>'
    for number, curve in enumerate(panel.curves):
        kind = "guide" if curve.guide else f"curve s{number}"
        places = [(across(x), up(y)) for x, y in curve.points]
        yield f'<path class="{kind}" d="M{" L".join(f"{x} {y}" for x, y in places)}"/>'
        if not curve.guide:
            for x, y in places:
                yield f'<circle class="dot s{number}" cx="{x}" cy="{y}" r="3"/>'
        y = TOP + 8 + LEGEND_ROW * number
        yield f'<path class="{kind}" d="M{LEFT + 8} {y}h22"/>'
        yield f'<text x="{LEFT + 36}" y="{y + 4}">{escape(curve.name)}</text>'


def _said(value: float) -> str:
    """1000000 as people say it: 1M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
