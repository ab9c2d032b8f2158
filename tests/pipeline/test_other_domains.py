"""A shop and a board of pins run through the same backtest as films: their tables differ, the code does not."""

import csv
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines import backtest, judgement, retraining
from pipelines.core.contracts import History
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window
from pipelines.page import Pager, PageRequest
from pipelines.released import load_release

# Ibis calls DuckDB by the old name of to_arrow_table.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

FIRST, DAYS, TEST_FROM = datetime(2026, 3, 2, tzinfo=UTC), 9, date(2026, 3, 9)
MEMBERS, TITLES, SHOWN, KINDS = 120, 40, 6, 4
LIKED, OTHER = 0.45, 0.04
"""How often a member takes something of the kind that is theirs, and of another."""

SHOP = """
name: shop
source: tables
time_zone: Europe/Berlin
columns:
  - {name: price, entity: media, type: float, meaning: the price in euros}
  - {name: loyalty, entity: user, type: string, meaning: the card the customer holds}
"""
PINS = """
name: pins
source: tables
labels: {positive_above: 0.9, negative_below: 0.1}
"""


def shop(folder: Path) -> None:
    """Products without genres or running time; a view is an impression, a purchase 1, left in the basket 0.5."""
    users = [{"user_id": f"c{n}", "country": "DE", "loyalty": ("gold", "none")[n % 2]} for n in range(MEMBERS)]
    products = [
        {"media_id": f"p{n}", "title": f"Product {n}", "kind": f"shelf{n % KINDS}", "creator": f"seller{n % 7}"}
        | {"price": f"{5 + n}.5"}
        for n in range(TITLES)
    ]
    views, outcomes = happened("c", "p", left_open=0.5)
    for place, view in enumerate(views):
        view |= {"surface": "search", "position": place % SHOWN}
    write(folder, SHOP, users=users, media=products, impressions=views, watches=outcomes)


def pins(folder: Path) -> None:
    """Images on boards; a save is 1, a look from nearby 0.3. Nobody says who members are, or where a pin stood."""
    users = [{"user_id": f"u{n}"} for n in range(MEMBERS)]
    images = [
        {"media_id": f"i{n}", "tags": f"board{n % KINDS}|{('red', 'blue', 'green')[n % 3]}"} for n in range(TITLES)
    ]
    shown, outcomes = happened("u", "i", left_open=0.3)
    write(folder, PINS, users=users, media=images, impressions=shown, watches=outcomes)


def happened(member: str, title: str, left_open: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What was shown, and what came of it: members take what is of their kind more often than what is not."""
    rng = np.random.default_rng(5)
    shown, outcomes = list[dict[str, Any]](), list[dict[str, Any]]()
    for day in range(DAYS):
        for who in np.flatnonzero(rng.random(MEMBERS) < 0.8).tolist():
            at = FIRST + timedelta(days=day, seconds=int(rng.integers(0, 80_000)))
            for what in rng.choice(TITLES, SHOWN, replace=False).tolist():
                at += timedelta(seconds=20)
                both = {"user_id": f"{member}{who}", "media_id": f"{title}{what}", "impression_id": f"s{len(shown)}"}
                shown.append(both | {"shown_at": at.isoformat()})
                fate = rng.random() / (LIKED if what % KINDS == who % KINDS else OTHER)
                if fate < 1.2:
                    done = {"completion": 1.0 if fate < 1 else left_open, "started_at": at.isoformat()}
                    outcomes.append(both | done | {"watch_id": f"w{len(outcomes)}"})
    return shown, outcomes


def write(folder: Path, described: str, **tables: Iterable[Mapping[str, Any]]) -> None:
    folder.mkdir(parents=True)
    (folder / "dataset.yaml").write_text(described, encoding="utf-8")
    for name, rows in tables.items():
        held = list(rows)
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(held[0]))
            writer.writeheader()
            writer.writerows(held)


MAKERS = {"shop": shop, "pins": pins}


@pytest.fixture(scope="module", params=MAKERS)
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, dict[str, Any]]:
    """The home of a backtest, and its figures."""
    folder = tmp_path_factory.mktemp(request.param)
    MAKERS[request.param](folder / "data")
    settings = Settings(home=folder / "home")
    return settings, backtest.run("tables", folder / "data", settings=settings, test_from=TEST_FROM)


def test_nothing_of_another_domain_is_lost_on_the_way_in(ran):
    settings, found = ran
    tables = found["import"]["tables"]
    assert {name: table["quarantined"] for name, table in tables.items()} == dict.fromkeys(tables, 0)
    assert tables["media"]["published"] == TITLES
    assert found["dataset"] == Lake(settings.lake_path).dataset.name


def test_every_figure_comes_out_and_the_ranker_learns_whose_kind_is_whose(ran):
    _, found = ran
    for part in ("ranker", "ranker_all_impressions", "candidates", "page"):
        for name, figure in found[part].items():
            assert 0 <= figure["low"] <= figure["value"] <= figure["high"], (part, name)
    assert found["ranker"]["auc"]["low"] > 0.5
    assert found["counts"]["page_members"] > 20


def test_probabilities_lie_between_0_and_1_and_pages_hold_only_what_there_is(ran):
    settings, found = ran
    window = Window.model_validate(found["window"])
    release = load_release(retraining.staging(settings, window) / retraining.RELEASE)
    rows = judgement.scored_by(settings, release, Lake(settings.lake_path).read(f"training/{TEST_FROM}"))
    probability = judgement.score_rows(release, rows)["probability"]
    assert probability.between(0, 1).all()
    assert probability.nunique() > 5
    seated = judgement.sitting(settings, window, rows, seed=7, most=5)
    known = set(Lake(settings.lake_path).read("media")["media_id"].to_pylist())
    asked = [(user, seated.rows_of.get(user, {}), seated.known[user]) for user in seated.members]
    for user, row, history in [*asked, ("nobody", {}, History())]:
        page = Pager(release, seated.snapshot).assemble(PageRequest(user, f"r-{user}", seated.at), row, history)
        ids = [item.media_id for item in page.items]
        assert len(ids) == len(set(ids)) == 10
        assert set(ids) <= known - set(history.media)
        assert all(0 <= item.score <= 1 for item in page.items)


def test_what_a_shop_says_of_its_own_products_and_customers_reaches_the_ranker(ran):
    settings, found = ran
    window = Window.model_validate(found["window"])
    read = set(load_release(retraining.staging(settings, window) / retraining.RELEASE).ranker.feature_names)
    declared = {column.name for column in Lake(settings.lake_path).dataset.columns}
    assert {name for name in declared if not any(feature.endswith(name) for feature in read)} == set()
