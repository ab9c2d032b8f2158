"""What `marquee concordance` prints, and its picture: what the gate predicted beside what followed."""

from collections.abc import Mapping, Sequence
from math import isfinite

from marquee import axes, console
from pipelines.metrics.intervals import Interval
from pipelines.promotion.gains import PAGE, Gain, Worth, over_a_champion, worth

PROMOTED, OTHER, FIT = "#4f46e5", "#94a3b8", "#b45309"
NOTES = {
    "experiment": ("Realised: an experiment's readout, both releases on live traffic at the same time.",),
    "page": (
        "Realised: the page's gain on the days that followed, both releases on the same days and members. What members",
        "watched on a live platform is what the one that served showed them, which leans towards it.",
    ),
    "": (
        "Realised: days served by the new champion less days served by the one before. Confounded: season, drift and",
        "taste move between them too. An experiment's readout is the better figure.",
    ),
}


def show(gains: Sequence[Gain], measure: str) -> None:
    """A line a decision, then what a predicted gain was worth."""
    measures = [measure, *sorted({name for gain in gains for name in gain.realised} - {measure})]
    columns = (
        "decided",
        "release",
        "over",
        "verdict",
        "predicted",
        "off-policy",
        *(f"realised: {m}" for m in measures),
    )
    rows = [
        (
            gain.decided[:10],
            gain.release_id,
            gain.before or "popularity",
            gain.verdict,
            told(gain.predicted),
            told(gain.off_policy),
            *(told(gain.realised.get(name)) for name in measures),
        )
        for gain in gains
    ]
    console.table("Predicted and realised gains", columns, rows)
    for note in notes(measure):
        console.line(note)
    for name, kept in kinds(gains).items():
        console.line(f"{name}: {worth(kept, measure).describe()}")


def kinds(gains: Sequence[Gain]) -> dict[str, list[Gain]]:
    """The promotions and, where the record holds other decisions too, all of them."""
    promoted = [gain for gain in gains if gain.promoted]
    return {"promotions": promoted} | ({"every decision": list(gains)} if len(promoted) < len(gains) else {})


def told(interval: Interval | None) -> str:
    """A gain with its interval; nothing where there is none."""
    if interval is None or not isfinite(interval.value):
        return ""
    return f"{interval.value:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"


def notes(measure: str) -> tuple[str, ...]:
    """How the realised side was found, and what is wrong with it."""
    return NOTES.get(measure, NOTES[""])


def chart(gains: Sequence[Gain], measure: str) -> str:
    """Predicted across, realised upwards, a cross of both intervals a decision, and the line that their ratio draws."""
    kept = [gain for gain in over_a_champion(gains) if measure in gain.realised]
    x = axes.across(*axes.around([end for g in kept for end in _ends(g.predicted)], zero=True))
    y = axes.upwards(*axes.around([end for g in kept for end in _ends(g.realised[measure])], zero=True))
    groups = kinds(kept)
    found = {name: worth(of, measure) for name, of in groups.items()}
    fitted = next((one for one in found.values() if not one.missing and isfinite(one.ratio.low)), None)
    body = [
        *axes.rungs(y, 3),
        *_grid(x),
        axes.path([(x.place(0), axes.TOP), (x.place(0), axes.HEIGHT - axes.BOTTOM)], axes.GREY, width=1),
        axes.path([(axes.LEFT, y.place(0)), (axes.WIDTH - axes.RIGHT, y.place(0))], axes.GREY, width=1),
        *(_as_promised(x, y) if measure == PAGE else []),
        *(_fit(fitted, x, y) if fitted else []),
        *(line for gain in sorted(kept, key=lambda g: g.promoted) for line in _cross(gain, measure, x, y)),
        *_legend(measure, groups),
    ]
    said = [f"{name}: {one.describe()}." for name, one in found.items()]
    return axes.picture("What a gate gain has been worth", body, [*said, *notes(measure)])


def _ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def _cross(gain: Gain, measure: str, x: axes.Axis, y: axes.Axis) -> list[str]:
    ink = PROMOTED if gain.promoted else OTHER
    predicted, realised = gain.predicted, gain.realised[measure]
    at = x.place(predicted.value), y.place(realised.value)
    thin = ' stroke-opacity="0.55"'
    dot = f'  <circle cx="{at[0]}" cy="{at[1]}" r="5" fill="{ink if gain.promoted else axes.PAPER}" stroke="{ink}"/>'
    return [
        axes.path([(x.place(predicted.low), at[1]), (x.place(predicted.high), at[1])], ink, width=1.5, more=thin),
        axes.path([(at[0], y.place(realised.low)), (at[0], y.place(realised.high))], ink, width=1.5, more=thin),
        dot,
    ]


def _as_promised(x: axes.Axis, y: axes.Axis) -> list[str]:
    """Where realised is predicted."""
    return [axes.path(_line(1.0, x, y), axes.GREY, width=1, more=' stroke-dasharray="5 4"')]


def _fit(found: Worth, x: axes.Axis, y: axes.Axis) -> list[str]:
    """The line through nothing whose slope is the ratio, and the wedge of its interval."""
    low, high = (_line(slope, x, y) for slope in (found.ratio.low, found.ratio.high))
    middle = x.place(0), y.place(0)
    wedges = [axes.area([middle, low[side], high[side]], FIT) for side in (0, -1)]
    return [*wedges, axes.path(_line(found.ratio.value, x, y), FIT)]


def _line(slope: float, x: axes.Axis, y: axes.Axis) -> list[tuple[float, float]]:
    """The ends of realised = slope * predicted within the frame."""
    ends = []
    for edge in (x.low, x.high):
        height = min(max(slope * edge, y.low), y.high)
        ends.append((x.place(height / slope if slope * edge != height else edge), y.place(height)))
    return ends


def _grid(x: axes.Axis) -> list[str]:
    below = axes.HEIGHT - axes.BOTTOM
    return [axes.text(x.place(tick), below + 20, f"{tick:+.3f}", anchor="middle") for tick in x.ticks()]


def _legend(measure: str, groups: Mapping[str, Sequence[Gain]]) -> list[str]:
    words = [(PROMOTED, PROMOTED, "promoted")]
    words += [(axes.PAPER, OTHER, "not promoted")] if len(groups) > 1 else []
    lines = [
        line
        for place, (fill, ink, word) in enumerate(words)
        for line in (
            f'  <circle cx="{axes.LEFT + 6 + 130 * place}" cy="52" r="5" fill="{fill}" stroke="{ink}"/>',
            axes.text(axes.LEFT + 18 + 130 * place, 56, word),
        )
    ]
    dashed = "dashed: as promised;  " if measure == PAGE else ""
    lines.append(axes.text(axes.LEFT + 280, 56, f"{dashed}line: what a gain was worth, with its interval"))
    middle = (axes.LEFT + axes.WIDTH - axes.RIGHT) / 2
    lines.append(axes.text(middle, axes.HEIGHT - axes.BOTTOM + 40, "predicted gain of the gate", anchor="middle"))
    lines.append(axes.text(axes.LEFT, axes.TOP - 10, f"realised: {measure}", anchor="start"))
    return lines
