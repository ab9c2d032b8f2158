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
SIDE, EDGE = 300, 46
LEAST = 20
"""A bin of the calibration curve with fewer impressions says nothing."""
CLASSES = {"shown": "good", "refuted": "bad", "open": "unsure", "too few": "few"}


def gains(comparisons: Sequence[Comparison]) -> str:
    """A line a comparison, each in its own unit about a common 0, with a tick where the policy's need lies."""
    lines = [_line(c, _reach([c]), TOP + LINE * n, c.metric, f"the {c.against}") for n, c in enumerate(comparisons)]
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

    curves: class name -> (bins, 3) mean probability, share that watched, rows. Bins below LEAST rows are left out.
    """
    held = {name: curve[curve[:, 2] >= LEAST] for name, curve in curves.items()}
    held = {name: curve for name, curve in held.items() if len(curve)}
    if not held:
        return ""
    reach = min(1.0, 1.15 * max(float(curve[:, :2].max()) for curve in held.values()))
    (x0, y0), (x1, y1) = _at(0, 0, reach), _at(reach, reach, reach)
    drawn = [
        f'<rect class="frame" x="{EDGE}" y="8" width="{SIDE}" height="{SIDE}"/>',
        f'<line class="zero" x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}"/>',
        f'<text x="{EDGE + SIDE / 2}" y="{SIDE + 46}" text-anchor="middle">promised probability</text>',
    ]
    for tick in (0, reach / 2, reach):
        (x, _), (_, y) = _at(tick, 0, reach), _at(0, tick, reach)
        drawn.append(f'<text class="soft" x="{x:.1f}" y="{SIDE + 26}" text-anchor="middle">{tick:.2f}</text>')
        drawn.append(f'<text class="soft" x="{EDGE - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:.2f}</text>')
    drawn += [_curve(name, curve, reach) for name, curve in held.items()]
    drawn.append(_legend(held, EDGE + SIDE + 24))
    return _svg(drawn, 640, SIDE + 56, "Calibration on all matured impressions")


def _curve(name: str, curve: Floats, reach: float) -> str:
    """The bins of one release, each with what chance alone does to so many impressions."""
    points = [_at(predicted, observed, reach) for predicted, observed, _ in curve.tolist()]
    drawn = [f'<polyline class="curve {name}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>']
    most = float(curve[:, 2].max())
    for (x, y), (predicted, observed, rows) in zip(points, curve.tolist(), strict=True):
        spread = 1.96 * sqrt(max(observed * (1 - observed), 0.25 / rows) / rows)
        (_, low), (_, high) = (_at(0, min(reach, max(0.0, observed + d)), reach) for d in (-spread, spread))
        said = f"{name}: {predicted:.3f} promised, {observed:.3f} happened, {rows:.0f} impressions"
        bar = f'<line class="curve {name}" x1="{x:.1f}" y1="{low:.1f}" x2="{x:.1f}" y2="{high:.1f}"/>'
        dot = f'<circle class="dot {name}" cx="{x:.1f}" cy="{y:.1f}" r="{2.5 + 4.5 * sqrt(rows / most):.1f}"/>'
        drawn.append(_titled(bar + dot, said))
    return "".join(drawn)


def _at(predicted: float, observed: float, reach: float) -> tuple[float, float]:
    """A place within the frame of the calibration's picture."""
    return EDGE + SIDE * predicted / reach, 8 + SIDE * (1 - observed / reach)


def _legend(names: Iterable[str], x: int) -> str:
    lines = [
        f'<circle class="dot {name}" cx="{x + 6}" cy="{24 + 22 * n}" r="5"/>'
        f'<text x="{x + 18}" y="{28 + 22 * n}">{name}</text>'
        for n, name in enumerate(names)
    ]
    y = 28 + 22 * len(lines)
    words = (
        "up: share that watched",
        "on the diagonal: promises kept",
        "above it: promised too little",
        "bars: chance alone",
        f"bins below {LEAST} impressions are left out",
    )
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
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    head = f'<svg {size} role="img" aria-label="{escape(title)}">'
    return f'<div class="scroll">{head}{"".join(parts)}</svg></div>'
