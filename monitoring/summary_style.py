"""The look of the summary page: one file, nothing fetched, readable on a phone and in the dark."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5d6778; --line: #e3e7ee; --paper: #f6f7f9; --card: #fff;
  --act: #b3261e; --act-paper: #fdecea; --look: #8a5a00; --look-paper: #fff4dc; --quiet: #1d6b45;
  --quiet-paper: #e6f5ec; --before: #8b95a7; --after: #2f5fd0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebf1; --soft: #9aa5b8; --line: #2c3442; --paper: #12161d;
  --card: #1a2029; --act: #ff8a80; --act-paper: #3a1b1a; --look: #ffcf70; --look-paper: #352a12; --quiet: #7fd6a6;
  --quiet-paper: #14301f; --before: #77839a; --after: #86a8ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 6px; letter-spacing: -.01em; }
h2 { font-size: 17px; margin: 0 0 2px; }
p { margin: 0 0 12px; } .soft, small { color: var(--soft); } a { color: var(--after); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px 22px;
  margin-top: 18px; }
.verdict { border: 0; border-left: 6px solid; padding: 22px 24px; }
.verdict.act { background: var(--act-paper); border-color: var(--act); }
.verdict.look { background: var(--look-paper); border-color: var(--look); }
.verdict.quiet { background: var(--quiet-paper); border-color: var(--quiet); }
.verdict.act h1, .tag.act, .worse, .broken { color: var(--act); }
.verdict.look h1, .tag.look, .moved { color: var(--look); }
.verdict.quiet h1, .better { color: var(--quiet); }
.tag { font-size: 12px; font-weight: 700; text-transform: uppercase; letter-spacing: .05em; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; margin-top: 10px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 13px; white-space: nowrap; }
th, td { padding: 8px 14px 8px 0; border-bottom: 1px solid var(--line); vertical-align: middle; }
tr:last-child td { border-bottom: 0; } td.number, th.number { text-align: right; white-space: nowrap; }
.number small { margin-left: 6px; }
code { font: 13px ui-monospace, monospace; } svg { display: block; }
.bar { height: 8px; border-radius: 4px; background: var(--before); min-width: 2px; }
.moved .bar { background: var(--look); } .broken .bar { background: var(--act); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 10px 0 0; }
dt { color: var(--soft); } dd { margin: 0; }
"""
