"""What `marquee backtest --rolling` prints, and its picture: the champion's history against popularity."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from marquee import axes, console

COLUMNS = ("week from", "served", "{metric}", "popularity", "verdict", "predicted lift", "realised lift")
CHAMPION, POPULARITY = "#4f46e5", "#b45309"
MARKS = {"promote": "▲", "inconclusive": "○", "reject": "✕"}


def show(title: str, found: Mapping[str, Any]) -> None:
    """A line a week, then what a predicted gain was worth."""
    rows = [_row(week) for week in found["weeks"]]
    columns = [column.format(metric=found["metric"]) for column in COLUMNS]
    console.table(f"Rolling backtest of {title}, seed {found['seed']}", columns, rows)
    console.line(
        "Each week's days are served by the champion that stands, and judge the release learnt before them at its end; "
        f"lifts are of {found['metric']}, paired by member with what stood then, the realised one on the week after. "
        "*: over popularity. 95 % intervals over members."
    )
    console.line(f"promotions: {found['worth']['promotions']['told']}")
    console.line(f"every decision: {found['worth']['decisions']['told']}")


def _row(week: Mapping[str, Any]) -> tuple[object, ...]:
    gain = week["gain"]
    against = "*" if gain and gain["against"] == "floor" else ""
    realised = gain["realised"].get("page") if gain else None
    return (
        week["first"],
        week["champion"] or "popularity",
        _figure(week["page"]),
        _figure(week["popularity"]),
        week["verdict"],
        (_lift(gain["predicted"]) + against) if gain else "",
        _lift(realised) if realised else "",
    )


def _figure(figure: Mapping[str, float] | None) -> str:
    return "{value:.4f} [{low:.4f}, {high:.4f}]".format(**figure) if figure else ""


def _lift(figure: Mapping[str, float | None]) -> str:
    value, low, high = (figure[part] for part in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "no figure"
    return f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"


def chart(found: Mapping[str, Any]) -> str:
    """Weeks across, the metric upwards: both lines with their intervals, a dot and a name where a champion begins."""
    weeks = found["weeks"]
    drawn = [week[line] for week in weeks for line in ("page", "popularity") if week[line]]
    x = axes.across(-0.5, len(weeks) - 0.5)
    y = axes.upwards(*axes.around([figure[part] for figure in drawn for part in ("low", "high")], spare=0.12))
    body = [
        *_legend(),
        *axes.rungs(y, 2),
        *_line(weeks, "popularity", POPULARITY, x, y),
        *_line(
            [week for week in weeks if week["page"]], "page", CHAMPION, x, y, sum(not week["page"] for week in weeks)
        ),
        *(part for _, own in groupby(weeks, lambda w: w["champion"]) for part in _begin(next(own), weeks, x, y)),
        *_verdicts(weeks, x),
    ]
    notes = (
        f"{found['dataset']}, a retraining every {found['every_days']} days, seed {found['seed']}. "
        "Bands: 95 % intervals over members.",
        "Below: the verdict at the week's end on the release learnt before it: ▲ promoted, ○ inconclusive, ✕ rejected.",
    )
    return axes.picture(f"{found['metric']} of what served each week, beside popularity", body, notes)


def _begin(week: Mapping[str, Any], weeks: list[Any], x: axes.Axis, y: axes.Axis) -> list[str]:
    """Where a champion began to serve, and its name."""
    if not week["page"]:
        return []
    at, name = x.place(weeks.index(week)), week["champion"][:6]
    return [
        f'  <circle cx="{at}" cy="{y.place(week["page"]["value"])}" r="5" fill="{CHAMPION}"/>',
        axes.text(
            at, y.place(week["page"]["high"]) - 8, name, anchor="middle", fill=CHAMPION, more=' font-size="11.5"'
        ),
    ]


def _line(weeks: list[Any], key: str, ink: str, x: axes.Axis, y: axes.Axis, first: int = 0) -> list[str]:
    """The band and the line of weeks that follow one another, from the one numbered ``first``; nothing for none."""
    if not weeks:
        return []
    places = [x.place(first + n) for n in range(len(weeks))]
    sides = {part: [y.place(week[key][part]) for week in weeks] for part in ("value", "low", "high")}
    if len(weeks) == 1:
        places, sides = [places[0] - 6, places[0] + 6], {part: at * 2 for part, at in sides.items()}
    low, high = (list(zip(places, sides[part], strict=True)) for part in ("low", "high"))
    line = list(zip(places, sides["value"], strict=True))
    return [axes.area([*high, *reversed(low)], ink), axes.path(line, ink)]


def _verdicts(weeks: list[Any], x: axes.Axis) -> list[str]:
    """Each week's first day and the verdict at its end; where weeks are many, every second day or fewer is written."""
    every = -(-len(weeks) // 12)
    below = axes.HEIGHT - axes.BOTTOM
    lines = []
    for place, week in enumerate(weeks):
        mark = MARKS[week["verdict"]]
        lines.append(axes.text(x.place(place), below + 38, mark, anchor="middle", fill=axes.INK))
        if place % every == 0:
            lines.append(axes.text(x.place(place), below + 20, week["first"][5:], anchor="middle"))
    return lines


def _legend() -> list[str]:
    lines = []
    for place, (ink, words) in enumerate(((CHAMPION, "the champion that served"), (POPULARITY, "popularity"))):
        at = axes.LEFT + 220 * place
        lines.append(axes.path([(at, 52), (at + 22, 52)], ink, width=3))
        lines.append(axes.text(at + 30, 56, words))
    return lines
