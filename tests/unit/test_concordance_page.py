"""The pictures and tables of a rolling backtest and of concordance, from records made by hand."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from marquee import axes, concordance_page, rolling_page
from marquee.cli import app
from pipelines import rolling
from pipelines.metrics.intervals import Interval
from pipelines.promotion.gains import Gain, worth


def figure(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def gain(number: int, verdict: str = "promote", against: Any = "champion") -> Gain:
    predicted, realised = 0.02 + 0.003 * number, 0.01 + 0.002 * number
    sides = (Interval(value, value - 0.01, value + 0.01) for value in (predicted, realised))
    before = f"r{number - 1}" if against == "champion" else None
    first, second = sides
    return Gain(
        f"r{number}",
        before,
        f"2026-03-{number + 1:02d}",
        verdict,
        "page.ndcg@10",
        against,
        first,
        None,
        {"page": second},
    )


def week(number: int, champion: str | None, verdict: str) -> dict[str, Any]:
    return {
        "first": f"2026-03-{number + 1:02d}",
        "last": f"2026-03-{number + 7:02d}",
        "champion": champion,
        "page": figure(0.1 + 0.01 * number) if champion else None,
        "popularity": figure(0.05),
        "challenger": f"r{number}",
        "verdict": verdict,
        "gain": gain(number).as_dict(),
    }


@pytest.fixture
def found() -> dict[str, Any]:
    weeks = [week(0, None, "promote"), week(1, "r0abcdef", "inconclusive"), week(2, "r0abcdef", "reject")]
    gains = [gain(n) for n in range(3)]
    told = {"promotions": worth(gains, "page").as_dict(), "decisions": worth(gains, "page").as_dict()}
    about = {"dataset": "world-1", "seed": 7, "every_days": 7, "metric": "page.ndcg@10"}
    return {**about, "weeks": weeks, "gains": [g.as_dict() for g in gains], "worth": told}


def drawn(svg: str) -> str:
    """The words of a picture, which must be whole XML."""
    return " ".join(ElementTree.fromstring(svg).itertext())


def test_an_axis_places_its_ends_and_its_middle():
    upwards = axes.upwards(0.0, 1.0)
    assert upwards.place(0.0) == axes.HEIGHT - axes.BOTTOM
    assert upwards.place(1.0) == axes.TOP
    assert upwards.place(0.5) == (axes.HEIGHT - axes.BOTTOM + axes.TOP) / 2
    assert upwards.place(7.0) == axes.TOP
    assert axes.across(0.0, 0.1).ticks() == pytest.approx([0.0, 0.02, 0.04, 0.06, 0.08, 0.1])
    assert axes.across(2.0, 2.0).ticks() == [2.0]


def test_the_history_shows_each_champion_once_and_each_verdict(found):
    words = drawn(rolling_page.chart(found))
    assert words.count("r0abcd") == 1
    assert all(mark in words for mark in rolling_page.MARKS.values())
    assert "popularity" in words


def test_the_table_has_a_line_a_week_and_says_what_serves(found, capsys):
    rolling_page.show("tables", found)
    printed = capsys.readouterr().out
    assert printed.count("2026-03-0") >= 3
    assert "0.1100 [0.0900, 0.1300]" in printed
    assert "2 more are needed" in printed


def test_promotions_and_other_decisions_are_told_apart(capsys):
    gains = [gain(n) for n in range(1, 7)] + [gain(7, "inconclusive")]
    words = drawn(concordance_page.chart(gains, "page"))
    assert "promotions: a predicted gain of 1 became" in words
    assert "every decision: a predicted gain of 1 became" in words
    assert "leans towards it" in words
    concordance_page.show(gains, "page")
    assert "over 7 decisions" in capsys.readouterr().out


def test_before_and_after_is_said_to_be_confounded():
    one = gain(1)
    online = Gain(**{**one.__dict__, "realised": {"engagement rate": Interval(0.1, 0.0, 0.2)}})
    assert "Confounded" in drawn(concordance_page.chart([online], "engagement rate"))


def test_a_picture_of_no_promotion_says_how_many_are_missing():
    assert "5 more are needed" in drawn(concordance_page.chart([], "page"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MARQUEE_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def call(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def test_a_rolling_backtest_is_drawn_where_it_is_asked(home, found, monkeypatch):
    asked: dict[str, Any] = {}

    def run(source: str, path: Path, **given: Any) -> dict[str, Any]:
        asked.update(given)
        given["advance"](1, 3)
        return found

    monkeypatch.setattr(rolling, "run", run)
    picture = home / "pictures" / "history.svg"
    done = call("backtest", "tables", "--path", "d", "--rolling", "--every", "5", "--picture", str(picture), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == found
    assert (asked["config"].every_days, asked["test_from"]) == (5, None)
    assert "beside popularity" in picture.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--test-from is missing"),
        (("--test-from", "2026-01-20", "--every", "3"), "give --rolling too"),
        (("--test-from", "2026-01-20", "--picture", "x.svg"), "give --rolling too"),
        (("--rolling", "--folds", "2"), "--folds and --rolling: give one at a time"),
        (("--rolling", "--gap", "2"), "give --folds too"),
    ],
)
def test_options_that_do_not_go_together_are_refused(home, words, said):
    done = call("backtest", "tables", "--path", "d", *words)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())


def test_concordance_of_a_rolling_record_prints_draws_and_gives_json(home, found):
    record, picture = home / "rolling.json", home / "worth.svg"
    record.write_text(json.dumps(found), encoding="utf-8")
    done = call("concordance", "--rolling", str(record), "--picture", str(picture))
    assert done.exit_code == 0, done.output
    assert "+0.0200 [+0.0100, +0.0300]" in done.stdout
    assert picture.read_text(encoding="utf-8").startswith("<svg")
    told = json.loads(call("concordance", "--rolling", str(record), "--json").stdout)
    assert told["worth"]["promotions"]["page"]["missing"] == 2
    assert len(told["gains"]) == 3


@pytest.mark.parametrize(("content", "said"), [(None, "is missing"), ("{}", "is not what"), ("no json", "is not what")])
def test_a_record_that_is_none_is_refused(home, content, said):
    record = home / "rolling.json"
    if content is not None:
        record.write_text(content, encoding="utf-8")
    done = call("concordance", "--rolling", str(record))
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())


def test_a_measure_that_nothing_has_is_refused(home, found):
    record = home / "rolling.json"
    record.write_text(json.dumps(found), encoding="utf-8")
    done = call("concordance", "--rolling", str(record), "--measure", "smiles")
    assert done.exit_code == 2
    assert "choose from page" in done.stderr


def test_a_home_where_nothing_was_promoted_says_how_many_promotions_are_missing(home):
    done = call("concordance")
    assert done.exit_code == 0, done.output
    assert "5 more are needed" in " ".join(done.stdout.split())
    assert json.loads(call("concordance", "--json").stdout)["gains"] == []
