"""The page that on-call opens first: the verdict, what to do, then the figures that it rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from html import escape
from math import isfinite
from pathlib import Path

from monitoring.alerts import Alert
from monitoring.concordance import METRICS, Promise
from monitoring.drift import Drift
from monitoring.online_metrics import WEAKNESSES, Online
from monitoring.summary_style import STYLE
from pipelines.metrics.intervals import Interval

MOST_DRIFTS = 15
HEADLINES = {
    "act": "Act: the champion does not do what it was promoted for",
    "look": "Look: something moved, and the champion still does its work",
    "quiet": "Nothing to do: the champion behaves as it was measured",
}
SERVED = (
    " These rows were served by the champion: AUC is lower on them by itself, for a page holds only what it ranks "
    "high; and members could watch only what they were shown, so page figures lean its way."
)
OUTCOMES = {"kept": "kept", "worse": "worse", "better": "better", "unknown": "not measured"}


@dataclass(frozen=True)
class Summary:
    """Everything the page shows."""

    release_id: str
    dataset: str
    origin: str
    first: date
    last: date
    trained: tuple[date, date]
    rows: int
    members: int
    at: datetime
    alerts: Sequence[Alert]
    promises: Sequence[Promise]
    drifts: Sequence[Drift]
    online: Sequence[Online]
    unmeasured: dict[str, str]

    @property
    def verdict(self) -> str:
        """act, look or quiet: that of the gravest alert."""
        return "act" if any(a.severity == "act" for a in self.alerts) else "look" if self.alerts else "quiet"


def write(path: Path, summary: Summary, report: str) -> Path:
    """Write the page, which links to the Evidently report beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(summary, report), encoding="utf-8")
    return path


def render(summary: Summary, report: str) -> str:
    """The page as one HTML document."""
    parts = [_verdict(summary), _promises(summary), _drifts(summary, report), _online(summary), _about(summary)]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(summary.release_id)}: {summary.verdict}</title><style>{STYLE}</style>"
        f"<main>{''.join(parts)}</main></html>\n"
    )


def _verdict(summary: Summary) -> str:
    told = "".join(
        f'<tr><td class="tag {a.severity}">{a.severity}</td><td><b>{escape(a.thing)}</b><br>{escape(a.value)}</td>'
        f"<td>{escape(a.remedy)}</td></tr>"
        for a in summary.alerts
    )
    table = f"{_head('', 'What', 'What to do')}{told}</table></div>" if told else ""
    return (
        f'<section class="verdict {summary.verdict}"><h1>{HEADLINES[summary.verdict]}</h1>'
        f"<p>Release <code>{escape(summary.release_id)}</code> on {escape(summary.dataset)}: "
        f"{_span(summary.first, summary.last)}, "
        f"{summary.rows:,} {summary.origin} impressions of {summary.members:,} members.</p>{table}</section>"
    )


def _promises(summary: Summary) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(p.metric)}</code><br><small>{METRICS[p.metric]} is better</small></td>"
        f'<td class="number">{_figure(p.offline)}</td><td class="number">{_figure(p.following)}</td>'
        f'<td>{_plot(p)}</td><td class="{p.outcome}">{OUTCOMES[p.outcome]}</td></tr>'
        for p in summary.promises
    )
    missing = "".join(f"<p><small>{escape(k)}: {escape(v)}</small></p>" for k, v in summary.unmeasured.items())
    biased = SERVED if summary.origin == "served" else ""
    return (
        "<section><h2>Promised and kept</h2><p class='soft'>Each metric as measured before promotion (grey) and on the "
        f"following days (blue), with 95 % intervals over members.{biased}</p>"
        f"{_head('Metric', '#Offline', '#Following days', '', '')}{rows}</table></div>{missing}</section>"
    )


def _drifts(summary: Summary, report: str) -> str:
    shown = summary.drifts[:MOST_DRIFTS]
    widest = max((min(d.psi, 2.0) for d in shown), default=1.0) or 1.0
    rows = "".join(
        f'<tr class="{d.state}"><td><code>{escape(d.feature)}</code></td><td class="number">{d.psi:.3f}</td>'
        f'<td style="width:34%"><div class="bar" style="width:{100 * min(d.psi, 2.0) / widest:.0f}%"></div></td>'
        f'<td class="number">{d.absent_before:.0%} → {d.absent:.0%}</td><td>{d.state}</td></tr>'
        for d in shown
    )
    moved = sum(d.state in ("moved", "broken") for d in summary.drifts)
    return (
        f"<section><h2>{moved} of {len(summary.drifts)} features moved</h2><p class='soft'>PSI against the champion's "
        "training rows: below 0.1 still, above 0.25 and beyond chance moved; calendar = moves because time passes. "
        f'Both distributions, side by side: <a href="{escape(report)}">the Evidently report</a>.</p>'
        f"{_head('Feature', '#PSI', '', '#Absent, training → now', '')}{rows}</table></div></section>"
    )


def _online(summary: Summary) -> str:
    if not summary.online:
        return (
            "<section><h2>What members did</h2><p class='soft'>Nothing was logged as shown on these days.</p></section>"
        )
    rows = "".join(
        f"<tr><td><code>{escape(o.release_id or 'logged elsewhere')}</code></td><td>{escape(o.policy or '')}</td>"
        f'<td class="number">{o.impressions:,}</td><td class="number">{o.sessions:,}</td>'
        f'<td class="number">{_number(o.engagement_rate, "{:.1%}")}</td>'
        f'<td class="number">{_number(o.videos_watched_per_session, "{:.2f}")}</td>'
        f'<td class="number">{_number(o.session_minutes, "{:.1f} min")}</td></tr>'
        for o in summary.online
    )
    weak = "".join(f"<dt>{escape(name)}</dt><dd>{escape(why)}</dd>" for name, why in WEAKNESSES.items())
    head = _head(
        "Release", "Policy", "#Impressions", "#Sessions", "#Engagement rate", "#Videos / session", "#Time / session"
    )
    return f"<section><h2>What members did</h2>{head}{rows}</table></div><dl>{weak}</dl></section>"


def _about(summary: Summary) -> str:
    return (
        f"<p class='soft' style='margin-top:18px'>Trained on {_span(*summary.trained)}. "
        f"Written {summary.at:%Y-%m-%d %H:%M} UTC by monitor_behaviour; docs/runbooks/drift.md says how to read it.</p>"
    )


def _head(*names: str) -> str:
    """The start of a table; a name that begins with # heads a column of numbers."""
    cells = "".join(f'<th class="number">{n[1:]}</th>' if n.startswith("#") else f"<th>{n}</th>" for n in names)
    return f'<div class="scroll"><table><tr>{cells}</tr>'


def _span(first: date, last: date) -> str:
    return f"{first}" if first == last else f"{first} to {last}"


def _number(value: float, form: str) -> str:
    return form.format(value) if isfinite(value) else "–"


def _figure(interval: Interval | None) -> str:
    if interval is None or not isfinite(interval.value):
        return "–"
    return f"{interval.value:.4f}<small>{interval.low:.4f} – {interval.high:.4f}</small>"


def _plot(promise: Promise, width: int = 180) -> str:
    """Both intervals on one scale: offline above, following below."""
    lines = [(6, "before", promise.offline), (16, "after", promise.following)]
    held = [(y, tone, i) for y, tone, i in lines if i is not None and isfinite(i.low) and isfinite(i.high)]
    if not held:
        return ""
    low, high = min(i.low for *_, i in held), max(i.high for *_, i in held)
    scale = (width - 12) / ((high - low) or 1.0)
    drawn = "".join(
        f'<g stroke="var(--{tone})" fill="var(--{tone})"><line x1="{6 + (i.low - low) * scale:.1f}" '
        f'x2="{6 + (i.high - low) * scale:.1f}" y1="{y}" y2="{y}" stroke-width="2"/>'
        f'<circle cx="{6 + (i.value - low) * scale:.1f}" cy="{y}" r="3.5" stroke="none"/></g>'
        for y, tone, i in held
    )
    return f'<svg width="{width}" height="22" role="img" aria-label="offline above, following days below">{drawn}</svg>'
