"""The model card: what a release is made of, what the gate said and why, for a person to read in MLflow."""

from collections.abc import Iterable, Sequence
from html import escape

import yaml

from pipelines.core.evidence import Evidence
from pipelines.core.release import Manifest
from pipelines.promotion import plots
from pipelines.promotion.card_style import STYLE
from pipelines.promotion.comparison import Comparison
from pipelines.promotion.gate import Verdict
from pipelines.promotion.policy import Policy

HEADINGS = (
    "metric", "against", "challenger", "other", "gain", "low", "high", "needed", "detectable", "p", "members", "finding"
)  # fmt: skip
LIMITS = ("figure", "challenger", "champion", "must be", "")
MEANS = {
    "promote": "Every claim of the policy is shown: this release may serve.",
    "reject": "A claim of the policy is refuted, or cannot be made: this release does not serve.",
    "inconclusive": "Nothing speaks against this release, and not enough for it: the champion stays.",
}
READING = (
    "A dot is the gain on everyone whom both scored, above 0 the challenger is better; the bar is its interval, the "
    "tick what the policy needs. Green: wholly beyond the tick, so shown. Red: refuted. Amber: open. "
    "Each line is in its own unit. The first against the champion is the policy's primary metric."
)
PARTS = (
    "In every part the bar must lie right of the shaded ground, which begins at the margin. Parts with too few members "
    "decide nothing and stand below."
)
CALIBRATED = "Of what was promised a probability, that share should have been watched. The dots' areas are impressions."


def markdown(manifest: Manifest, verdict: Verdict) -> str:
    """The card as markdown, which MLflow shows as the version's description."""
    limits = [(c.figure, _shown(c.challenger), _shown(c.champion), c.asked, _held(c.held)) for c in verdict.limits]
    parts = [
        f"# Release {manifest.release_id}: {verdict.verdict}",
        "\n".join(f"- {reason}" for reason in verdict.reasons),
        _markdown_table(HEADINGS, map(_cells, verdict.comparisons)),
        _markdown_table(LIMITS, limits) if limits else "",
        "## Made of",
        _markdown_table(("part", "value"), _contents(manifest)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def html(
    manifest: Manifest, verdict: Verdict, policy: Policy, challenger: Evidence, champion: Evidence | None = None
) -> str:
    """The card with its pictures as one page without scripts, which fetches nothing; every value is escaped."""
    title = f"Release {escape(manifest.release_id)}: {verdict.verdict}"
    sections = [_gains(verdict), _parts(verdict), _limits(verdict), _calibration(challenger, champion)]
    body = "".join(f"<section>{section}</section>" for section in [*sections, _made_of(manifest, policy)] if section)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{STYLE}</style><main>"
        f'<section class="verdict {verdict.verdict}"><h1>{title}</h1><p>{MEANS[verdict.verdict]}</p>'
        f"{_list(verdict.reasons)}<p class='soft'>Judged on {challenger.test_from} to {challenger.test_to}, "
        f"learnt from days through {challenger.fitted_through}.</p></section>{body}</main></html>\n"
    )


def _gains(verdict: Verdict) -> str:
    if not verdict.comparisons:
        return ""
    table = _html_table(HEADINGS, map(_cells, verdict.comparisons), [_class(c) for c in verdict.comparisons])
    drawn = plots.gains(verdict.comparisons)
    return f"<h2>Gains</h2><p class='soft'>{READING}</p>{drawn}{_details('All figures', table)}"


def _parts(verdict: Verdict) -> str:
    if not verdict.parts:
        return ""
    said = []
    for metric in dict.fromkeys(part.metric for part in verdict.parts):
        own = [part for part in verdict.parts if part.metric == metric]
        said.append(f"<h3>{escape(metric)}</h3>{plots.forest(own)}{_too_few(own)}")
    better = f"<h3>Better here, chance corrected for</h3>{_list(verdict.better)}" if verdict.better else ""
    headings = ("part", *HEADINGS)
    rows = ((part.part, *_cells(part)) for part in verdict.parts)
    table = _html_table(headings, rows, [_class(part) for part in verdict.parts])
    drawn = "".join(said)
    return (
        f"<h2>In parts of the membership</h2><p class='soft'>{PARTS}</p>{drawn}{better}{_details('All parts', table)}"
    )


def _too_few(parts: Iterable[Comparison]) -> str:
    """The parts that cannot tell, by slice, each with its members."""
    by_slice: dict[str, list[str]] = {}
    for part in parts:
        if part.finding == "too few":
            name, _, word = part.part.partition("=")
            by_slice.setdefault(name.replace("_", " "), []).append(f"{word} ({part.members})")
    told = "; ".join(f"<b>{escape(name)}</b> {escape(', '.join(words))}" for name, words in by_slice.items())
    return f"<p class='soft few'>Too few members with a figure: {told}.</p>" if told else ""


def _limits(verdict: Verdict) -> str:
    if not verdict.limits:
        return ""
    rows = [(c.figure, _shown(c.challenger), _shown(c.champion), c.asked, _held(c.held)) for c in verdict.limits]
    table = _html_table(LIMITS, rows, ["held" if check.held else "broken" for check in verdict.limits])
    return f"<h2>Limits</h2><p class='soft'>Figures of the release as a whole.</p>{table}"


def _calibration(challenger: Evidence, champion: Evidence | None) -> str:
    sides = {"champion": champion, "challenger": challenger}
    curves = {name: e.reliability for name, e in sides.items() if e is not None and e.reliability is not None}
    drawn = plots.calibration(curves)
    return f"<h2>Calibration</h2><p class='soft'>{CALIBRATED}</p>{drawn}" if drawn else ""


def _made_of(manifest: Manifest, policy: Policy) -> str:
    asked = yaml.safe_dump(policy.model_dump(mode="json", exclude_none=True), sort_keys=False, width=100)
    policed = _details("The policy it was judged by", f"<pre>{escape(asked)}</pre>")
    return f"<h2>Made of</h2>{_html_table(('part', 'value'), _contents(manifest))}{policed}"


def _cells(c: Comparison) -> Sequence[str]:
    figures = (_shown(c.challenger), _shown(c.other))
    gains = (_shown(v, "+.4f") for v in (c.gain.value, c.gain.low, c.gain.high, c.needed))
    return (c.metric, c.against, *figures, *gains, _shown(c.detectable), _shown(c.chance), str(c.members), c.finding)


def _class(comparison: Comparison) -> str:
    return comparison.finding.replace("too few", "few")


def _shown(value: float, form: str = ".4f") -> str:
    """A figure, a dash where there is none, and short where it is large."""
    if value != value:
        return "–"
    return f"{value:.4g}" if abs(value) >= 10 else f"{value:{form}}"


def _held(held: bool) -> str:
    return "held" if held else "broken"


def _contents(manifest: Manifest) -> list[Sequence[str]]:
    return [
        ("generators", ", ".join(manifest.generators)),
        ("ranker", manifest.ranker),
        ("features", f"{manifest.feature_service} ({manifest.feature_fingerprint})"),
        ("data", f"{manifest.dataset}, {manifest.trained_from} to {manifest.watermark}, {manifest.time_zone}"),
        ("seed", str(manifest.seed)),
        ("code", f"{manifest.git_commit}, lock {manifest.lock_hash}"),
        ("files", str(len(manifest.files))),
    ]


def _list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _details(summary: str, content: str) -> str:
    return f"<details><summary>{summary}</summary>{content}</details>"


def _markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _html_table(headings: Sequence[str], rows: Iterable[Sequence[str]], marks: Sequence[str] = ()) -> str:
    """marks: the class of each row's last cell."""
    head = "".join(f"<th>{escape(h)}</th>" for h in headings)
    lines = []
    for n, row in enumerate(rows):
        *cells, last = (escape(cell) for cell in row)
        mark = f' class="{marks[n]}"' if marks else ""
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + f"<td{mark}>{last}</td></tr>")
    return f'<div class="scroll"><table><tr>{head}</tr>{"".join(lines)}</table></div>'
