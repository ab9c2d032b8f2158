"""The readout of an experiment as a page: the decision first, then the figures that it rests on."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from math import isfinite

from monitoring.online_metrics import WEAKNESSES
from monitoring.summary_style import STYLE
from pipelines.experiments.definition import Definition, Metric
from pipelines.experiments.job import Look
from pipelines.experiments.readout import KEEP, MISMATCH, REFUSED, SHIP, STOP, Effect
from pipelines.metrics.intervals import Interval

TONES = {SHIP: "quiet", STOP: "act", KEEP: "look", REFUSED: "act"}
HEADLINES = {
    SHIP: "Ship: {names} did better, and nothing that is guarded gave way",
    STOP: "Stop: nothing here is to be shipped",
    KEEP: "Keep running: nothing is decided yet",
    REFUSED: "Refused: these members do not make an experiment",
}
NAMES: dict[Metric, tuple[str, str]] = {
    "engagement_rate": ("Engagement rate", "{:.1%}"),
    "videos_watched": ("Videos watched / session", "{:.3f}"),
    "session_minutes": ("Minutes / session", "{:.2f}"),
    "sessions": ("Sessions / member", "{:.2f}"),
}
WEAK = WEAKNESSES | {
    "sessions": "the other three divide by it: a release that brings members back for short visits lowers them all"
}
OWN_STYLE = """
.tag { white-space: nowrap; } .axis { stroke: var(--line); } .zero { stroke: var(--soft); stroke-dasharray: 3 3; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; } svg.wide { width: 100%; height: auto; }
ul { margin: 0; padding-left: 18px; }
@media (max-width: 820px) { main { padding: 16px 12px 40px; } section { padding: 14px 16px; margin-top: 12px; }
  th, td { padding-right: 10px; } }
@media (max-width: 560px) { dl { grid-template-columns: 1fr; } dd { margin-bottom: 6px; } }
"""


def render(found: Look, at: datetime) -> str:
    """The page as one HTML document without scripts."""
    name, read = found.held.definition.name, found.readout
    parts = [_verdict(found), _metrics(found), _days(found), _members(found), _about(found, at)]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(name)}: {read.verdict}</title><style>{STYLE}{OWN_STYLE}</style>"
        f"<main>{''.join(parts)}</main></html>\n"
    )


def _verdict(found: Look) -> str:
    read, definition = found.readout, found.held.definition
    names = " and ".join(name for name, said in read.verdicts.items() if said == SHIP)
    why = "".join(f"<li>{escape(reason)}</li>" for reason in read.reasons)
    return (
        f'<section class="verdict {TONES[read.verdict]}"><h1>{escape(HEADLINES[read.verdict].format(names=names))}</h1>'
        f"<p>Experiment <code>{escape(definition.name)}</code>, day {read.day} of {read.days}: {found.period.first} to "
        f"{found.period.last}, {sum(read.members.values()):,} members.</p><ul>{why}</ul></section>"
    )


def _metrics(found: Look) -> str:
    """Each metric of each challenger; nothing where the readout is refused."""
    read, definition = found.readout, found.held.definition
    if not read.effects:
        return ""
    reach = _reach([effect.interval for effect in read.effects])
    ordered = sorted(read.effects, key=lambda e: (e.variant, e.metric != definition.primary, not e.margin))
    rows = "".join(_row(effect, definition, reach) for effect in ordered)
    weak = "".join(f"<dt>{escape(name)}</dt><dd>{escape(why)}</dd>" for name, why in WEAK.items())
    several = len(definition.challengers) > 1
    head = "".join(
        f"<th{kind}>{text}</th>"
        for text, kind in (
            *((("Challenger", ""),) if several else ()),
            ("Metric", ""),
            ("Control", ' class="number"'),
            ("Variant", ' class="number"'),
            ("Lift", ' class="number"'),
            ("", ""),
            ("CUPED saves", ' class="number"'),
        )
    )
    return (
        f"<section><h2>What members did</h2><p class='soft'>A member is the unit. The intervals hold for every day "
        f"until the planned end together ({1 - definition.alpha:.0%}), so that looking daily costs nothing; only the "
        "metric so marked decides, and a guardrail (its mark is the margin) can stop it.</p>"
        f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div>'
        f"<h2 style='margin-top:16px'>What each cannot see</h2><dl>{weak}</dl></section>"
    )


def _row(effect: Effect, definition: Definition, reach: float) -> str:
    name, form = NAMES[effect.metric]
    role = "decides" if effect.metric == definition.primary else "guardrail" if effect.margin else ""
    named = escape(effect.variant) if effect.metric == definition.primary else ""
    variant = f"<td><b>{named}</b></td>" if len(definition.challengers) > 1 else ""
    lift = effect.lift
    span = effect.interval
    ends = f"<br><small>{span.low:+.2%} to {span.high:+.2%}</small>"
    told = f"{span.value:+.2%}{ends}" if isfinite(span.value) else "–"
    tone = "better" if span.low > 0 else "worse" if span.high < 0 else ""
    return (
        f'<tr>{variant}<td>{name}<br><small>{role}</small></td><td class="number">{_number(lift.control, form)}</td>'
        f'<td class="number">{_number(lift.treated, form)}</td><td class="number {tone}">{told}</td>'
        f'<td>{_plot(effect, reach)}</td><td class="number">{_number(max(lift.saved, 0.0), "{:.0%}")}</td></tr>'
    )


def _plot(effect: Effect, reach: float, width: int = 140) -> str:
    """The interval around zero, and the margin of a guardrail."""
    span, middle = effect.interval, width / 2
    if not isfinite(span.low):
        return ""
    scale = (middle - 6) / reach
    rail = f"{middle - (effect.margin or 0.0) * scale:.1f}"
    drawn = f'<line x1="{rail}" x2="{rail}" y1="2" y2="20" stroke="var(--act)" stroke-width="2"/>'
    drawn = drawn if effect.margin and effect.margin <= reach else ""
    return (
        f'<svg width="{width}" height="22" role="img" aria-label="lift {span.value:+.2%}">'
        f'<line class="zero" x1="{middle}" x2="{middle}" y1="0" y2="22"/>{drawn}'
        f'<line x1="{middle + span.low * scale:.1f}" x2="{middle + span.high * scale:.1f}" y1="11" y2="11" '
        f'stroke="var(--after)" stroke-width="2"/>'
        f'<circle cx="{middle + span.value * scale:.1f}" cy="11" r="3.5" fill="var(--after)"/></svg>'
    )


def _days(found: Look) -> str:
    """The primary's interval on each day, a picture a challenger."""
    read, definition = found.readout, found.held.definition
    metric = NAMES[definition.primary][0]
    return "".join(
        f"<section><h2>{escape(metric)}, day by day: {escape(name)} against {escape(definition.control)}</h2>"
        f"<p class='soft'>The lift that was planned for, {definition.minimum_effect:.1%}, is the dashed line. "
        f"Half of the chance of error is kept for the last day, whose interval is therefore narrower.</p>"
        f"{_funnel(history, read.days, definition.minimum_effect)}</section>"
        for name, history in read.by_day.items()
        if any(isfinite(span.low) for _, span in history)
    )


def _funnel(history: Sequence[tuple[int, Interval]], days: int, planned: float) -> str:
    width, height, left = 700, 200, 52
    held = [(n, span) for n, span in history if isfinite(span.low)]
    last = held[-1][1]
    # The first days reach far beyond anything of interest: they are cut off at the frame.
    reach = min(_reach([span for _, span in held]), 4 * max(_reach([last]), 2 * planned))
    step, scale = (width - left - 10) / days, (height - 40) / 2 / reach
    middle = (height - 20) / 2

    def y(value: float) -> float:
        return middle - max(-reach, min(reach, value)) * scale

    marks = "".join(
        f'<line x1="{left + step * (n - 0.5):.1f}" x2="{left + step * (n - 0.5):.1f}" y1="{y(span.low):.1f}" '
        f'y2="{y(span.high):.1f}" stroke="var(--after)" stroke-width="3"/>'
        f'<circle cx="{left + step * (n - 0.5):.1f}" cy="{y(span.value):.1f}" r="4" fill="var(--after)"/>'
        for n, span in held
    )
    every = max(1, -(-days // 14))
    ticks = "".join(
        f'<text x="{left + step * (n - 0.5):.1f}" y="{height - 4}" text-anchor="middle">{n}</text>'
        for n in range(1, days + 1, every)
    )
    lines = "".join(
        f'<line class="{kind}" x1="{left}" x2="{width - 10}" y1="{y(at):.1f}" y2="{y(at):.1f}"/>'
        f'<text x="{left - 6}" y="{y(at) + 4:.1f}" text-anchor="end">{said}</text>'
        for at, kind, said in (
            (reach, "axis", f"{reach:+.1%}"),
            (planned, "zero", ""),
            (0.0, "axis", "0"),
            (-reach, "axis", f"{-reach:+.1%}"),
        )
    )
    return (
        f'<svg class="wide" viewBox="0 0 {width} {height}" role="img" aria-label="the lift on each day">'
        f"{lines}{marks}{ticks}</svg>"
    )


def _members(found: Look) -> str:
    read, definition = found.readout, found.held.definition
    whole = sum(variant.share for variant in definition.variants.values())
    total = sum(read.members.values())
    rows = "".join(
        f"<tr><td><b>{escape(name)}</b>{' <small>control</small>' if name == definition.control else ''}</td>"
        f"<td><code>{escape(variant.release)}</code></td>"
        f'<td class="number">{read.members[name]:,}</td><td class="number">{read.members[name] / total:.2%}</td>'
        f'<td class="number">{variant.share / whole:.2%}</td><td class="number">{read.fallen_back[name]:,}</td></tr>'
        for name, variant in definition.variants.items()
    )
    return (
        "<section><h2>Who took part</h2><p class='soft'>A member takes part from the first page on. Whoever was "
        "answered by another release than the variant's fell back, and counts with the variant all the same. "
        f"Chance alone would part the members so far from their shares with p = {read.mismatch:.3g}; below "
        f"{MISMATCH:g} nothing is read out.</p>"
        '<div class="scroll"><table><tr><th>Variant</th><th>Release</th><th class="number">Members</th>'
        '<th class="number">Share</th><th class="number">Planned</th><th class="number">Fell back</th></tr>'
        f"{rows}</table></div></section>"
    )


def _about(found: Look, at: datetime) -> str:
    definition, started, stopped = found.held.definition, found.held.started, found.held.stopped
    ended = f" Stopped by {escape(stopped['actor'])}: {escape(stopped['reason'])}." if stopped else ""
    return (
        f"<p class='soft' style='margin-top:18px'>Planned for a lift of {definition.minimum_effect:.1%} with power "
        f"{definition.power:.0%}, through {definition.planned_end}; {definition.traffic:.0%} of the members. Started "
        f"by {escape(started['actor'])}: {escape(started['reason'])}.{ended} Written {at:%Y-%m-%d %H:%M} UTC by "
        "read_experiment; docs/experiments.md says how to read it.</p>"
    )


def _reach(spans: Sequence[Interval]) -> float:
    """The furthest end of any interval from zero."""
    ends = [abs(end) for span in spans for end in (span.low, span.high) if isfinite(end)]
    return max(ends, default=0.0) or 1.0


def _number(value: float, form: str) -> str:
    return form.format(value) if isfinite(value) else "–"
