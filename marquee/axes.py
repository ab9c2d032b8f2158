"""Two axes of an SVG picture: where a value lies in pixels, the frame around it, round numbers along it."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, isfinite, log10
from textwrap import wrap

WIDTH, HEIGHT = 820, 420
LEFT, RIGHT, TOP, BOTTOM = 78, 24, 92, 74
NOTE_WIDTH = 115
"""Characters of a note that fit on the paper."""
INK, GREY, LINE, PAPER = "#0f172a", "#475569", "#e2e8f0", "#f8fafc"
FONT = 'font-family="Helvetica, Arial, \'DejaVu Sans\', sans-serif" font-size="13"'


@dataclass(frozen=True)
class Axis:
    """Values from ``low`` to ``high`` along ``length`` pixels from ``start``; upwards where ``length`` is below 0."""

    low: float
    high: float
    start: float
    length: float

    def place(self, value: float) -> float:
        """Pixels; a value beyond the axis lies on its end."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(self.start + self.length * min(1.0, max(0.0, share)), 1)

    def ticks(self, about: int = 5) -> list[float]:
        """Round numbers on the axis, about so many."""
        step = _round_step((self.high - self.low) / about)
        first = -(-self.low // step)
        return [n * step for n in range(int(first), int(self.high // step) + 1)]


def across(low: float, high: float) -> Axis:
    """The horizontal axis."""
    return Axis(low, high, LEFT, WIDTH - LEFT - RIGHT)


def upwards(low: float, high: float) -> Axis:
    """The vertical axis; less is lower on the page."""
    return Axis(low, high, HEIGHT - BOTTOM, -(HEIGHT - TOP - BOTTOM))


def around(values: Sequence[float], *, zero: bool = False, spare: float = 0.06) -> tuple[float, float]:
    """From the least to the greatest finite value and a little beyond; with 0 among them where asked for."""
    held = [v for v in values if isfinite(v)] + ([0.0] if zero else [])
    low, high = min(held, default=0.0), max(held, default=1.0)
    room = spare * ((high - low) or 1.0)
    return low - room, high + room


def text(x: float, y: float, words: str, *, anchor: str = "start", fill: str = GREY, more: str = "") -> str:
    """Words at a place."""
    return f'  <text x="{x}" y="{y}" text-anchor="{anchor}" fill="{fill}"{more}>{escape(words)}</text>'


def path(points: Sequence[tuple[float, float]], stroke: str, *, width: float = 2, more: str = "") -> str:
    """A line through points in pixels."""
    drawn = " L".join(f"{x} {y}" for x, y in points)
    return f'  <path d="M{drawn}" fill="none" stroke="{stroke}" stroke-width="{width}"{more}/>'


def area(points: Sequence[tuple[float, float]], fill: str) -> str:
    """A shape through points in pixels, see-through."""
    drawn = " L".join(f"{x} {y}" for x, y in points)
    return f'  <path d="M{drawn} Z" fill="{fill}" fill-opacity="0.18"/>'


def rungs(y: Axis, digits: int) -> list[str]:
    """A faint line and its figure at each round number of the vertical axis."""
    lines = []
    for tick in y.ticks():
        at = y.place(tick)
        lines.append(path([(LEFT, at), (WIDTH - RIGHT, at)], LINE, width=1))
        lines.append(text(LEFT - 8, at + 4, f"{tick:.{digits}f}", anchor="end"))
    return lines


def picture(title: str, body: Sequence[str], notes: Sequence[str]) -> str:
    """The whole SVG: paper, title, the body, and small notes below it, which are broken where the paper ends."""
    lines = [line for note in notes for line in wrap(note, NOTE_WIDTH)]
    height = HEIGHT + 16 * len(lines)
    below = [text(24, HEIGHT + 16 * place, line, more=' font-size="11.5"') for place, line in enumerate(lines)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-labelledby="title" {FONT}>',
            f'  <title id="title">{escape(title)}</title>',
            f'  <rect width="{WIDTH}" height="{height}" rx="14" fill="{PAPER}"/>',
            text(24, 28, title, fill=INK, more=' font-size="16" font-weight="bold"'),
            *body,
            *below,
            "</svg>",
            "",
        ]
    )


def _round_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, next to what was asked for."""
    if rough <= 0 or not isfinite(rough):
        return 1.0
    power = 10.0 ** floor(log10(rough))
    return power * next(m for m in (1.0, 2.0, 5.0, 10.0) if m * power >= rough * 0.999)
