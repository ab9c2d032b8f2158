"""How Marquee works: one folder a stage, joined only in dags/, backtest.py and page.py."""
