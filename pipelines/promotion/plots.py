"""The model card's pictures as SVG text: gains with their intervals, gains in parts, calibration. No scripts.

Colours are classes of card_style, so that the pictures follow the page into the dark. Every dot says its figures when
pointed at.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import isfinite, sqrt

from pipelines.core.evidence import Floats
from pipelines.promotion.comparison import Comparison

LINE, TOP = 26, 30
WIDTH, LEFT, RIGHT = 860, 270, 610
"""Words stand left of LEFT, intervals between LEFT and RIGHT, figures right of it."""
CLASSES = {"shown": "good", "refuted": "bad", "open": "unsure", "too few": "few"}


def gains(comparisons: Sequence[Comparison]) -> str:
    """A line a comparison, each in its own unit about a common 0, with a tick where the policy's need lies."""
    lines = [_line(c, _reach([c]), TOP + LINE * n, f"{c.metric}", f"the {c.against}") for n, c in enumerate(comparisons)]
    return _drawn(len(lines), lines, "Gains with their intervals", ("worse", "better"))


def forest(parts: Sequence[Comparison]) -> str:
    """The parts in which one metric was measured, on one scale; "" where there is none."""
    told = [part for part in parts if part.finding != "too few"]
    if not told:
        return ""
    reach, lines, before = _reach(told), [], ""
    for n, part in enumerate(told):
        name, _, word = part.part.partition("=")
        lines.append(_line(part, reach, TOP + LINE * n, word, "" if name == before else name.replace("_", " ")))
        before = name
    need = _x(told[0].needed, reach)
    shade = f'<rect class="beyond" x="{LEFT}" y="18" width="{need - LEFT:.1f}" height="{LINE * len(told) + 6}"/>'
    metric = told[0].metric
    ends = (f"−{reach:.3g}", f"+{reach:.3g}")
    return _drawn(len(lines), [shade, *lines], f"{metric} in parts of the membership", ends)


def calibration(curves: Mapping[str, Floats]) -> str:
    """What was promised against what happened: a curve a release, a dot a bin, its area by its rows; "" without any.

    curves: class name -> (bins, 3) mean probability, share that watched, rows.
    """
    held = {name: curve[curve[:, 2] > 0] for name, curve in curves.items()}
    held = {name: curve for name, curve in held.items() if len(curve)}
    if not held:
        return ""
    side, edge = 300, 46
    reach = min(1.0, 1.08 * max(float(curve[:, :2].max()) for curve in held.values()))

    def at(predicted: float, observed: float) -> tuple[float, float]:
        return edge + side * predicted / reach, 8 + side * (1 - observed / reach)

    drawn = [f'<rect class="frame" x="{edge}" y="8" width="{side}" height="{side}"/>']
    drawn.append('<line class="zero" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>'.format(*at(0, 0), *at(1 * reach, reach)))
    for name, curve in held.items():
        places = [at(predicted, observed) for predicted, observed, _ in curve]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        drawn.append(f'<polyline class="curve {name}" points="{path}"/>')
        most = float(curve[:, 2].max())
        for (x, y), (predicted, observed, rows) in zip(places, curve, strict=True):
            said = f"{name}: {predicted:.3f} promised, {observed:.3f} happened, {rows:.0f} impressions"
            radius = 2 + 5 * sqrt(rows / most)
            drawn.append(_titled(f'<circle class="dot {name}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>', said))
    for tick in (0, reach / 2, reach):
        (x, _), (_, y) = at(tick, 0), at(0, tick)
        drawn.append(f'<text class="soft" x="{x:.1f}" y="{side + 26}" text-anchor="middle">{tick:.2f}</text>')
        drawn.append(f'<text class="soft" x="{edge - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:.2f}</text>')
    drawn.append(f'<text x="{edge + side / 2}" y="{side + 46}" text-anchor="middle">promised probability</text>')
    drawn.append(_legend(held, edge + side + 24))
    return _svg(drawn, 620, side + 56, "Calibration on all matured impressions")


def _legend(names: Iterable[str], x: int) -> str:
    lines = [
        f'<circle class="dot {name}" cx="{x + 6}" cy="{24 + 22 * n}" r="5"/><text x="{x + 18}" y="{28 + 22 * n}">{name}</text>'
        for n, name in enumerate(names)
    ]
    y = 28 + 22 * len(lines)
    words = ("up: share that watched", "on the diagonal: promises kept", "above it: promised too little")
    told = [f'<text class="soft" x="{x}" y="{y + 14 + 18 * n}">{text}</text>' for n, text in enumerate(words)]
    return "".join([*lines, *told])


def _line(c: Comparison, reach: float, y: int, name: str, beside: str) -> str:
    """One interval, its words and its figures."""
    middle, kind = y + LINE / 2, CLASSES[c.finding]
    words = f'<text class="name" x="{LEFT - 12}" y="{middle + 4}" text-anchor="end">{escape(name)}</text>'
    words += f'<text class="soft" x="0" y="{middle + 4}">{escape(beside)}</text>' if beside else ""
    if not isfinite(c.gain.low):
        return words + f'<text class="soft" x="{LEFT}" y="{middle + 4}">no interval</text>'
    low, high, value, need = (_x(v, reach) for v in (c.gain.low, c.gain.high, c.gain.value, c.needed))
    bar = f'<line class="bar {kind}" x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}"/>'
    dot = f'<circle class="dot {kind}" cx="{value:.1f}" cy="{middle}" r="5"/>'
    tick = f'<line class="need" x1="{need:.1f}" y1="{middle - 8}" x2="{need:.1f}" y2="{middle + 8}"/>'
    figures = f"{c.gain.value:+.4f} [{c.gain.low:+.4f}, {c.gain.high:+.4f}]"
    right = f'<text class="number" x="{WIDTH - 6}" y="{middle + 4}" text-anchor="end">{figures}</text>'
    return words + tick + _titled(bar + dot, f"{c.describe()}; needed {c.needed:+.4g}: {c.finding}") + right


def _drawn(lines: int, parts: Sequence[str], title: str, ends: tuple[str, str]) -> str:
    """The lines about their common 0."""
    bottom, zero = TOP + LINE * lines, _x(0, 1)
    axis = f'<line class="zero" x1="{zero}" y1="18" x2="{zero}" y2="{bottom - 4}"/>'
    words = (
        f'<text class="soft" x="{LEFT}" y="12">{ends[0]}</text>'
        f'<text class="soft" x="{zero}" y="12" text-anchor="middle">0</text>'
        f'<text class="soft" x="{RIGHT}" y="12" text-anchor="end">{ends[1]}</text>'
        f'<text class="soft" x="{WIDTH - 6}" y="12" text-anchor="end">gain and interval</text>'
    )
    return _svg([axis, words, *parts], WIDTH, bottom, title)


def _reach(comparisons: Sequence[Comparison]) -> float:
    """How far from 0 anything lies that is to be seen."""
    ends = [abs(v) for c in comparisons for v in (c.gain.low, c.gain.high, c.needed) if isfinite(v)]
    return 1.08 * max([*ends, 1e-9])


def _x(value: float, reach: float) -> float:
    middle = (LEFT + RIGHT) / 2
    return middle + (RIGHT - LEFT) / 2 * max(-1.0, min(1.0, value / reach))


def _titled(drawn: str, said: str) -> str:
    return f"<g><title>{escape(said)}</title>{drawn}</g>"


def _svg(parts: Sequence[str], width: int, height: int, title: str) -> str:
    head = f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{escape(title)}">'
    return f'<div class="scroll">{head}{"".join(parts)}</svg></div>'
