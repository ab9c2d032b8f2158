"""The comparison of docs/models.md: what stands between its markers, and the two pictures beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.core.errors import DataError

PARTS = ("generators", "rankers")
PICTURES = {part: f"pictures/{part}.svg" for part in PARTS}
Found = Mapping[str, Any]
"""What pipelines.methods.run returns."""


@dataclass(frozen=True)
class Column:
    """A column of a table: the figure's key, its heading, its digits; ``cost`` where it has no interval."""

    key: str
    heading: str
    digits: int = 4
    cost: bool = False


COLUMNS = {
    "generators": (
        Column("recall@100", "recall@100"),
        Column("unique_recall@100", "unique recall@100"),
        Column("ndcg@10", "NDCG@10"),
        Column("fit_seconds", "fit, s", 2, cost=True),
        Column("ms_a_member", "ms a member", 2, cost=True),
    ),
    "rankers": (
        Column("auc", "AUC"),
        Column("gauc", "GAUC"),
        Column("log_loss", "log loss, all", 4),
        Column("ece", "ECE, all"),
        Column("fit_seconds", "fit, s", 2, cost=True),
        Column("p50_ms", "500 rows, p50 ms", 2, cost=True),
        Column("p99_ms", "p99 ms", 2, cost=True),
    ),
}
DRAWN = {"generators": ("recall@100", "unique_recall@100"), "rankers": ("auc", "gauc")}
"""What each picture shows, two bars a method."""
TITLES = {
    "generators": "Recall@100 of each generator, and what it alone found",
    "rankers": "AUC and GAUC of each ranker",
}
FROM = {"generators": 0.0, "rankers": 0.5}
"""Where bars begin: at nothing, or at chance."""


def begin(part: str) -> str:
    """The line that stands before the generated part."""
    return f"<!-- {part}: made by `marquee models --docs`; edit around it -->"


def end(part: str) -> str:
    """The line that stands behind it."""
    return f"<!-- end of {part} -->"


def filled(text: str, found: Found, command: str) -> str:
    """The page with its generated parts anew; DataError names a marker that it lacks."""
    for part in PARTS:
        before, opened, rest = text.partition(begin(part))
        _, closed, after = rest.partition(end(part))
        if not opened or not closed:
            raise DataError(f"the page has no place for {part}: put the lines {begin(part)!r} and {end(part)!r} in it")
        text = f"{before}{begin(part)}\n\n{section(part, found, command)}\n{end(part)}{after}"
    return text


def missing(text: str, part: str, names: Sequence[str]) -> list[str]:
    """The methods that the page's table of ``part`` does not name: it was made before they were registered."""
    table = text.partition(begin(part))[2].partition(end(part))[0]
    return [name for name in names if f"| {name} |" not in table]


def section(part: str, found: Found, command: str) -> str:
    """The table, the picture, and what the figures rest on."""
    columns = COLUMNS[part]
    lines = [
        "| " + " | ".join(["", *(column.heading for column in columns)]) + " |",
        "|---|" + "---:|" * len(columns),
        *("| " + " | ".join([name, *cells(part, of)]) + " |" for name, of in found[part].items()),
        "",
        f"![{TITLES[part]}]({PICTURES[part]})",
        "",
        told(found, command),
    ]
    return "\n".join(lines) + "\n"


def cells(part: str, of: Mapping[str, Any]) -> list[str]:
    """One method's figures, those with an interval beside it."""
    return [_cell(of[column.key], column) for column in COLUMNS[part]]


def _cell(value: Any, column: Column) -> str:
    if column.cost:
        return f"{value:.{column.digits}f}"
    return "{value:.{d}f} ({low:.{d}f} to {high:.{d}f})".format(**value, d=column.digits)


def told(found: Found, command: str) -> str:
    """What the figures rest on, and the command that made them."""
    counts, window = found["counts"], found["window"]
    return (
        f"`{command}`: {found['dataset']}, learnt from {window['fit_from']} on, tested {window['test_from']} to "
        f"{window['test_to']}; {counts['members']:,} members, {counts['titles']:,} titles, {counts['rows']:,} rows; "
        f"seed {found['seed']}. 95 % intervals over members; times are of one run on one machine."
    )


LEFT, WIDTH, BAR, GAP, TOP = 150, 560, 16, 14, 64


def chart(part: str, found: Found) -> str:
    """A picture of two bars a method with their intervals, on the scale that the largest needs."""
    kept, start = DRAWN[part], FROM[part]
    headings = {column.key: column.heading for column in COLUMNS[part]}
    ends = [of[key]["high"] for of in found[part].values() for key in kept]
    most = max([end for end in ends if end == end], default=1.0)
    scale = WIDTH / max(most - start, 1e-9)
    block = len(kept) * BAR + GAP
    height = TOP + block * len(found[part]) + 34
    body = [line for place, name in enumerate(found[part]) for line in _bars(part, name, found, place, scale)]
    legend = [
        f'  <rect x="{LEFT + 190 * n}" y="38" width="12" height="12" rx="2" fill="{INK[n]}"/>'
        f'<text x="{LEFT + 190 * n + 18}" y="49" fill="#475569">{headings[key]}</text>'
        for n, key in enumerate(kept)
    ]
    axis = [
        f'  <text x="{LEFT + WIDTH * n / 4:.0f}" y="{height - 12}" text-anchor="middle" fill="#475569">'
        f"{start + (most - start) * n / 4:.2f}</text>"
        for n in range(5)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 110} {height}" role="img" '
            'aria-labelledby="title"',
            '     font-family="Helvetica, Arial, \'DejaVu Sans\', sans-serif" font-size="13">',
            f'  <title id="title">{TITLES[part]}</title>',
            f'  <rect width="{LEFT + WIDTH + 110}" height="{height}" rx="14" fill="#f8fafc"/>',
            f'  <text x="24" y="26" font-size="16" font-weight="bold" fill="#0f172a">{TITLES[part]}</text>',
            *legend,
            *body,
            *axis,
            "</svg>",
            "",
        ]
    )


INK = ("#818cf8", "#c7d2fe")


def _bars(part: str, name: str, found: Found, place: int, scale: float) -> list[str]:
    """A method's name, its bars, the whisker of each and its figure."""
    of: Mapping[str, Any] = found[part][name]
    top = TOP + place * (len(DRAWN[part]) * BAR + GAP)
    lines = [f'  <text x="{LEFT - 12}" y="{top + BAR + 4}" text-anchor="end" fill="#0f172a">{name}</text>']
    for n, key in enumerate(DRAWN[part]):
        value, low, high = (_place(of[key][at], FROM[part], scale) for at in ("value", "low", "high"))
        y = top + n * BAR
        lines.append(f'  <rect x="{LEFT}" y="{y}" width="{value:.1f}" height="{BAR - 3}" rx="2" fill="{INK[n]}"/>')
        whisker = f"M{LEFT + low:.1f} {y + BAR / 2 - 1.5} H{LEFT + high:.1f}"
        lines.append(f'  <path d="{whisker}" stroke="#0f172a" stroke-width="1.5"/>')
        lines.append(f'  <text x="{LEFT + high + 8:.1f}" y="{y + 11}" fill="#475569">{of[key]["value"]:.4f}</text>')
    return lines


def _place(value: float, start: float, scale: float) -> float:
    """Pixels from where bars begin; nothing for what lies below or has no answer."""
    return max(0.0, (value - start) * scale) if value == value else 0.0
