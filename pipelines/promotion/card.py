"""The model card: what a release is made of, what the gate said and why, for a person to read in MLflow."""

from collections.abc import Iterable, Sequence
from html import escape

from pipelines.core.release import Manifest
from pipelines.promotion.gate import Verdict

HEADINGS = ("metric", "against", "challenger", "other", "gain", "low", "high", "needed", "members", "finding")
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{padding:.25rem .75rem;border-bottom:1px solid #ccc;text-align:left}"
)


def markdown(manifest: Manifest, verdict: Verdict) -> str:
    """The card as markdown, which MLflow shows as the version's description."""
    parts = [
        f"# Release {manifest.release_id}: {verdict.verdict}",
        "\n".join(f"- {reason}" for reason in verdict.reasons),
        _markdown_table(HEADINGS, _comparisons(verdict)),
        "## Made of",
        _markdown_table(("part", "value"), _contents(manifest)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def html(manifest: Manifest, verdict: Verdict) -> str:
    """The same card as one page without scripts; every value is escaped."""
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in verdict.reasons)
    title = f"Release {escape(manifest.release_id)}: {verdict.verdict}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"<h1>{title}</h1><ul>{reasons}</ul>"
        f"<h2>Compared</h2>{_html_table(HEADINGS, _comparisons(verdict))}"
        f"<h2>Made of</h2>{_html_table(('part', 'value'), _contents(manifest))}</html>\n"
    )


def _comparisons(verdict: Verdict) -> list[Sequence[str]]:
    return [
        (
            c.metric,
            c.against,
            *(f"{v:.4f}" for v in (c.challenger, c.other)),
            *(f"{v:+.4f}" for v in (c.gain.value, c.gain.low, c.gain.high, c.needed)),
            str(c.members),
            c.finding,
        )
        for c in verdict.comparisons
    ]


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


def _markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _html_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(h)}</th>" for h in headings)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
