"""The look of the model card: one file, nothing fetched, readable in MLflow's frame, on paper and in the dark."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5d6778; --line: #e3e7ee; --paper: #f6f7f9; --card: #fff;
  --good: #1d6b45; --good-paper: #e6f5ec; --bad: #b3261e; --bad-paper: #fdecea; --unsure: #8a5a00;
  --unsure-paper: #fff4dc; --challenger: #2f5fd0; --champion: #8b95a7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebf1; --soft: #9aa5b8; --line: #2c3442; --paper: #12161d;
  --card: #1a2029; --good: #7fd6a6; --good-paper: #14301f; --bad: #ff8a80; --bad-paper: #3a1b1a; --unsure: #ffcf70;
  --unsure-paper: #352a12; --challenger: #86a8ff; --champion: #77839a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 960px; margin: 0 auto; padding: 24px 20px 56px; }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 6px; letter-spacing: -.01em; }
h2 { font-size: 17px; margin: 0 0 2px; } h3 { font-size: 14px; margin: 18px 0 6px; }
p { margin: 0 0 10px; } ul { margin: 8px 0 0; padding-left: 20px; } li { margin: 3px 0; overflow-wrap: anywhere; }
.soft, small { color: var(--soft); } text.soft { fill: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px;
  margin-top: 16px; }
.verdict { border: 0; border-left: 6px solid; }
.verdict.promote { background: var(--good-paper); border-color: var(--good); }
.verdict.reject { background: var(--bad-paper); border-color: var(--bad); }
.verdict.inconclusive { background: var(--unsure-paper); border-color: var(--unsure); }
.promote h1, td.held, td.shown { color: var(--good); } .reject h1, td.broken, td.refuted { color: var(--bad); }
.inconclusive h1, td.open { color: var(--unsure); } td.few { color: var(--soft); }
.scroll { overflow-x: auto; } details { margin-top: 12px; } summary { cursor: pointer; color: var(--soft); }
table { width: 100%; border-collapse: collapse; margin-top: 8px; font-variant-numeric: tabular-nums; font-size: 14px; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 13px; white-space: nowrap; }
th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; } td.number { white-space: nowrap; }
p.few { margin-top: 10px; } pre { font: 12.5px/1.5 ui-monospace, monospace; overflow-x: auto; margin: 8px 0 0; }
svg { display: block; } svg text { font: 13px system-ui, sans-serif; fill: var(--ink); }
svg text.number { font-variant-numeric: tabular-nums; }
line.zero { stroke: var(--champion); stroke-width: 1; } line.need { stroke: var(--ink); stroke-width: 2; }
line.bar { stroke-width: 3; } rect.beyond { fill: var(--bad-paper); } rect.frame { fill: none; stroke: var(--line); }
line.good { stroke: var(--good); } line.bad { stroke: var(--bad); } line.unsure { stroke: var(--unsure); }
circle.good { fill: var(--good); } circle.bad { fill: var(--bad); } circle.unsure { fill: var(--unsure); }
polyline.curve { fill: none; stroke-width: 2; } .curve.challenger { stroke: var(--challenger); }
.curve.champion { stroke: var(--champion); } .dot.challenger { fill: var(--challenger); fill-opacity: .8; }
.dot.champion { fill: var(--champion); fill-opacity: .8; }
@media print { body { background: #fff; } section { break-inside: avoid; } }
"""
