"""Pages of a real release on a small world: what may stand on them, what repeats, and features as in training."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from worlds import released

from pipelines import judgement, snapshot
from pipelines.adapters.feature_store import FeatureStore
from pipelines.candidates.interactions import asked_on
from pipelines.core.contracts import History
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features.catalogue import Feature, features
from pipelines.page import EXPLORATION, PINNED, RANKED, Page, Pager, PageRequest, popular
from pipelines.released import load_release
from pipelines.rerank.diversity import DiversityConfig
from pipelines.rerank.filters import FATIGUE, MATURITY
from pipelines.rerank.pins import Pin, Rules
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.world import simulate
from pipelines.snapshot import MediaSnapshot

# Ibis calls DuckDB by the old name of to_arrow_table.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

FIRST, DAYS = date(2026, 1, 5), 15
AT = datetime(2026, 1, 20, 19, 37, 11, tzinfo=UTC)
"""An evening of the day after the last one computed: what the snapshot is served on."""


@dataclass(frozen=True)
class Stage:
    """A pager over the current snapshot, and the feature store that training would ask."""

    settings: Settings
    pager: Pager
    store: FeatureStore

    @property
    def snapshot(self) -> MediaSnapshot:
        return self.pager.snapshot

    @property
    def faithful(self) -> str:
        """The member with the longest history."""
        return max(self.snapshot.histories, key=lambda user: len(self.snapshot.histories[user].media))

    def page(self, user: str, request_id: str = "r", exclude: frozenset[str] = frozenset(), **more) -> Page:
        request = PageRequest(user, request_id, more.pop("at", AT), **more)
        return self.pager.assemble(request, self.store.user_row(user), self.snapshot.history(user), exclude)


def odd_seconds(folder: Path) -> None:
    """Titles arrive at odd seconds: a world's arrive at midnight, which even coarse numbers hold exactly."""
    media, name = pq.read_table(folder / "media.parquet"), "platform_at"
    later = pc.add(media[name], pa.scalar(timedelta(seconds=4007), pa.duration("us")))
    media = media.set_column(media.schema.get_field_index(name), media.schema.field(name), later)
    pq.write_table(media, folder / "media.parquet", coerce_timestamps="us")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    home = tmp_path_factory.mktemp("page")
    simulate(WorldConfig(seed=5, members=250, days=DAYS, media=160), home / "world")
    odd_seconds(home / "world")
    settings = Settings(home=home / "home")
    folder = released(settings, home / "world", FIRST + timedelta(days=DAYS - 2))
    held = snapshot.current(settings)
    assert held is not None
    return Stage(settings, Pager(load_release(folder), MediaSnapshot.load(held)), FeatureStore(settings))


@pytest.mark.parametrize("k", [1, 10, 11, 10_000])
def test_a_page_holds_what_was_asked_for_or_every_candidate_each_once(stage, k):
    page = stage.page(stage.faithful, k=k)
    row, history = stage.store.user_row(stage.faithful), stage.snapshot.history(stage.faithful)
    candidates = stage.pager.assemble_with_candidates(PageRequest(stage.faithful, "r", AT, k=k), row, history)[1]
    shown = [item.media_id for item in page.items]
    assert len(shown) == len(set(shown)) == min(k, len(candidates))
    assert [item.position for item in page.items] == list(range(len(shown)))
    assert all(0 <= item.score <= 1 and item.title and item.reason for item in page.items)
    assert (page.release_id, page.snapshot_version) == (stage.pager.release.release_id, stage.snapshot.version)


def test_a_page_of_none_is_empty(stage):
    assert stage.page(stage.faithful, k=0).items == ()


def test_a_stranger_gets_a_page_of_what_is_popular(stage):
    page = stage.page("nobody-knows-me", country="US")
    liked = popular(stage.pager, History(), len(stage.snapshot.ids))
    assert len(page.items) == 10
    assert {item.media_id for item in page.items} <= set(liked)
    assert not any(item.reason.startswith("Because you watched") for item in page.items)


def test_an_excluded_title_is_not_named_as_the_reason_for_another_either(stage):
    watched = frozenset(stage.snapshot.history(stage.faithful).media)
    reasons = {
        exclude: [item.reason for item in stage.page(stage.faithful, exclude=exclude).items]
        for exclude in (frozenset(), watched)
    }
    assert any(reason.startswith("Because you watched") for reason in reasons[frozenset()])
    assert not any(reason.startswith("Because you watched") for reason in reasons[watched])


def test_a_member_with_no_row_at_all_gets_a_page_too(stage):
    request = PageRequest(stage.faithful, "r", AT, country="US")
    assert len(stage.pager.assemble(request, {}, stage.snapshot.history(stage.faithful)).items) == 10


def test_what_was_watched_or_is_excluded_is_not_shown(stage):
    for user in sorted(stage.snapshot.histories)[:40]:
        first = stage.page(user)
        gone = frozenset(item.media_id for item in first.items)
        second = stage.page(user, exclude=gone)
        shown = {item.media_id for page in (first, second) for item in page.items}
        assert not shown & set(stage.snapshot.history(user).media)
        assert not gone & {item.media_id for item in second.items}


def test_a_title_is_shown_only_where_there_are_rights(stage):
    rights = dict(zip(stage.snapshot.ids.tolist(), stage.snapshot.rights, strict=True))
    countries = sorted({country for held in rights.values() if held for country in held})
    assert len(countries) > 2
    user = stage.faithful
    everywhere = {media for media, held in rights.items() if held is None}
    for country in (*countries, "ZZ"):
        shown = {item.media_id for item in stage.page(user, k=10_000, country=country).items}
        assert shown
        assert all(rights[media] is None or country in rights[media] for media in shown)
    assert shown <= everywhere
    at_home = stage.page(user, country=stage.store.user_row(user)["user_country"])
    assert stage.page(user).items == at_home.items


def test_one_request_id_always_gets_the_same_page(stage):
    assert stage.page(stage.faithful, "again") == stage.page(stage.faithful, "again")
    assert len({tuple(i.media_id for i in stage.page(stage.faithful, f"r{n}").items) for n in range(20)}) > 1


def remembered(method):
    """The method's first answer, whatever it is asked after."""
    answers = []

    def once(self, *asked):
        answers.extend([] if answers else [method(self, *asked)])
        return answers[0]

    return once


def test_three_thousand_replays_choose_as_often_as_the_logged_propensities_say(stage, monkeypatch):
    user, n = stage.faithful, 3000
    row, history = stage.store.user_row(user), stage.snapshot.history(user)
    first = PageRequest(user, "replay-0", AT)
    whole = stage.pager.assemble(first, row, history)
    for name in ("candidates", "features"):  # The same at every replay, and dear.
        monkeypatch.setattr(Pager, name, remembered(getattr(Pager, name)))
    assert stage.pager.assemble(first, row, history) == whole
    slots: dict[int, Counter[str]] = {}
    logged: dict[int, set[tuple]] = {}
    fixed = set()
    for replay in range(n):
        page = stage.pager.assemble(PageRequest(user, f"replay-{replay}", AT), row, history)
        fixed.add(tuple(item.media_id for item in page.items if item.policy != EXPLORATION))
        for item in page.items:
            if item.policy == EXPLORATION:
                slots.setdefault(item.position, Counter())[item.media_id] += 1
                logged.setdefault(item.position, set()).add((item.action_set, item.action_propensities))
                assert item.propensity == item.action_propensities[item.action_set.index(item.media_id)]
    assert len(fixed) == 1
    assert set(slots) == set(stage.pager.release.manifest.settings["exploration"]["slots"])
    for position, counts in slots.items():
        ((actions, propensities),) = logged[position]
        assert sum(propensities) == pytest.approx(1)
        for media, propensity in zip(actions, propensities, strict=True):
            assert counts[media] / n == pytest.approx(propensity, abs=4.5 * np.sqrt(propensity * (1 - propensity) / n))


def asked(stage: Stage, user: str, request: PageRequest) -> pd.DataFrame:
    """What training would join for this member, every media of the snapshot, and this moment."""
    rows = pd.DataFrame({"user_id": user, "media_id": stage.snapshot.ids, "event_timestamp": pd.Timestamp(request.at)})
    return stage.store.historical(
        rows.assign(device=request.device, country=request.country, surface=request.surface).astype(
            {"device": object, "country": object}
        )
    )


def column(found: pd.DataFrame, feature: Feature) -> np.ndarray:
    if feature.dtype == "float":
        return pd.to_numeric(found[feature.name]).to_numpy(np.float64)
    values = found[feature.name].to_numpy(object, copy=True)
    values[pd.isna(values)] = None
    return values


@pytest.mark.parametrize("country", [None, "AU"])
@pytest.mark.parametrize("who", ["faithful", "newest", "newcomer", "stranger"])
def test_a_page_is_scored_on_the_features_that_training_would_have_joined(stage, who, country):
    known = sorted(stage.snapshot.histories, key=lambda user: (len(stage.snapshot.histories[user].media), user))
    warm = [user for user in known if stage.snapshot.histories[user].media]
    named = {"faithful": stage.faithful, "newest": warm[0], "newcomer": known[0], "stranger": "nobody-knows-me"}
    user = named[who]
    assert bool(stage.snapshot.history(user).context) == (who != "stranger")
    assert bool(stage.snapshot.history(user).media) == (user in warm)
    request = PageRequest(user, "r", AT, device="tv", country=country)
    offline = asked(stage, user, request)
    history = asked_on(stage.snapshot.history(user), device=request.device, country=request.country)
    row = stage.store.user_row(user)
    page = stage.pager.features(np.arange(len(stage.snapshot.ids)), request, row, history)
    encoder = stage.pager.release.ranker
    wanted = {f.name: f for f in features(Lake(stage.settings.lake_path).dataset) if f.name in encoder.feature_names}
    released = judgement.retrieval_of(stage.settings, stage.pager.release)
    retrieval = released.scored(offline).drop(columns="retrieval__at")
    assert set(wanted) | set(retrieval) == set(encoder.feature_names)
    for name in retrieval:
        np.testing.assert_allclose(page[name], retrieval[name], rtol=1e-5, atol=1e-6, err_msg=name)
    assert user not in warm or np.isfinite(retrieval.to_numpy()).all(axis=1).any()
    joined = {name: column(offline, feature) for name, feature in wanted.items()}
    joined |= {name: retrieval[name].to_numpy() for name in retrieval}
    encoded = encoder.encode(joined)
    assert np.isfinite(encoded["context_season"]).any() or (who, country) == ("stranger", None)
    for name, feature in wanted.items():
        if feature.dtype == "float":
            np.testing.assert_allclose(page[name], joined[name], rtol=1e-6, atol=1e-6, err_msg=name)
        else:
            np.testing.assert_array_equal(page[name], encoded[name], err_msg=name)
    served = encoder.probability(page)
    np.testing.assert_allclose(served, encoder.probability(joined), rtol=1e-5)


def test_the_words_of_the_snapshot_are_those_of_the_feature_store(stage):
    offline = asked(stage, "nobody", PageRequest("nobody", "r", AT))
    words = [f for f in features(Lake(stage.settings.lake_path).dataset) if (f.entity, f.dtype) == ("media", "string")]
    assert len(words) > 8
    for feature in words:
        assert stage.snapshot.features[feature.name].tolist() == column(offline, feature).tolist(), feature.name


def old_enough(stage: Stage, age: float | None, **more) -> Page:
    user = stage.faithful
    request = PageRequest(user, "r", AT, k=10_000, **more)
    return stage.pager.assemble(request, stage.store.user_row(user) | {"user_age": age}, stage.snapshot.history(user))


def test_a_member_is_shown_what_their_age_allows_and_the_rest_has_its_reason(stage):
    rated = dict(zip(stage.snapshot.ids.tolist(), stage.snapshot.features["media_maturity_rating"], strict=True))
    assert {"G", "PG", "PG-13", "R"} == set(rated.values())
    for age, allowed in ((8.0, {"G", "PG"}), (14.0, {"G", "PG", "PG-13"}), (17.0, {"G", "PG", "PG-13", "R"})):
        page = old_enough(stage, age)
        assert {rated[item.media_id] for item in page.items} == allowed
        removed = {one.media_id: one.reason for one in page.trace.removed()}
        mature = {media for media, reason in removed.items() if reason == MATURITY}
        assert {rated[media] for media in mature} == {"G", "PG", "PG-13", "R"} - allowed
        assert not set(removed) & {item.media_id for item in page.items}
    everything = {item.media_id for item in old_enough(stage, None).items}
    assert everything == {item.media_id for item in old_enough(stage, 17.0).items}


def test_a_pinned_title_that_nobody_proposed_stands_at_its_slot_scored_and_with_propensity_one(stage):
    plain = stage.page(stage.faithful, k=10_000)
    proposed = {item.media_id for item in plain.items} | {one.media_id for one in plain.trace.removed()}
    unwatched = [m for m in stage.snapshot.ids.tolist() if m not in stage.snapshot.history(stage.faithful).media]
    pinned = next((media for media in unwatched if media not in proposed), unwatched[-1])
    rules = Rules((Pin(1, pinned, AT + timedelta(hours=1), "the finale", slot=3),))
    history, row = stage.snapshot.history(stage.faithful), stage.store.user_row(stage.faithful) | {"user_age": None}
    request = PageRequest(stage.faithful, "r", AT, country=stage.snapshot.rights[0] and stage.snapshot.rights[0][0])
    page = stage.pager.assemble(request, row, history, rules=rules)
    assert (page.items[3].media_id, page.items[3].policy, page.items[3].propensity) == (pinned, PINNED, 1.0)
    assert 0 <= page.items[3].score <= 1
    without = stage.pager.assemble(request, row, history)
    kept = [i.media_id for i in page.items if i.policy == RANKED]
    assert kept == [i.media_id for i in without.items if i.policy == RANKED and i.media_id != pinned][: len(kept)]


def test_what_a_member_was_shown_in_vain_before_the_snapshot_is_not_on_the_page(stage):
    since = AT - timedelta(days=14)
    counts = {user: stage.snapshot.unheeded.counts(user, since) for user in stage.snapshot.histories}
    user = max(counts, key=lambda one: max(counts[one].values(), default=0))
    often = max(counts[user].values())
    assert often >= 2
    tired = {media for media, times in counts[user].items() if times >= often}
    assert not tired & set(stage.snapshot.history(user).media)
    shown = {item.media_id for item in stage.page(user, k=20).items}
    rules = Rules(shown=dict.fromkeys(tired, stage.pager.filters.most_without_success))
    request = PageRequest(user, "r", AT, k=20)
    page = stage.pager.assemble(request, stage.store.user_row(user), stage.snapshot.history(user), rules=rules)
    assert not tired & {item.media_id for item in page.items}
    reasons = {one.media_id: one.reason for one in page.trace.removed()}
    assert {reasons[media] for media in tired & shown} <= {FATIGUE}


def test_a_release_that_was_sealed_before_there_were_methods_keeps_its_order(stage):
    manifest = stage.pager.release.manifest
    old = {name: stored for name, stored in manifest.settings.items() if name != "filters"}
    old["diversity"] = {"most": 3, "within": 10}
    sealed = replace(stage.pager.release, manifest=manifest.model_copy(update={"settings": old}))
    assert Pager(sealed, stage.snapshot).arrangement.diversity.method == "none"
    diversity = stage.pager.arrangement.diversity
    assert diversity == DiversityConfig(rate=diversity.rate)
    assert 0.02 < diversity.rate < 0.3
    assert len(replace(stage, pager=Pager(sealed, stage.snapshot)).page(stage.faithful).items) == 10


def test_log_odds_of_a_generator_order_a_page_as_much_as_the_release_says(stage):
    manifest, user = stage.pager.release.manifest, stage.faithful
    odds = stage.pager.release.generators["mixed_effects"]

    def ordered(effects: float) -> list[str]:
        plain = {"diversity": {"method": "none", "most": 10}, "exploration": {"slots": []}}
        settings = manifest.settings | plain | {"ordering": {"prior": 0.0, "effects": effects}}
        release = replace(stage.pager.release, manifest=manifest.model_copy(update={"settings": settings}))
        return [item.media_id for item in replace(stage, pager=Pager(release, stage.snapshot)).page(user).items]

    by_both, by_odds = ordered(0.5), ordered(1000.0)
    codes = np.array([[odds.codes[media] for media in by_odds]])
    assert (np.diff(odds.scores([asked_on(stage.snapshot.history(user))], codes)[0]) <= 0).all()
    assert len({tuple(page) for page in (ordered(0.0), by_both, by_odds)}) == 3


def test_a_title_taken_down_since_the_release_is_not_shown(stage):
    page = stage.page(stage.faithful)
    gone = page.items[0].media_id
    keep = stage.snapshot.ids != gone
    places = np.flatnonzero(keep).tolist()
    held = stage.snapshot
    fewer = replace(
        held,
        ids=held.ids[keep],
        features={name: values[keep] for name, values in held.features.items()},
        titles=[held.titles[n] for n in places],
        genres=[held.genres[n] for n in places],
        rights=[held.rights[n] for n in places],
        groups=[held.groups[n] for n in places],
    )
    again = replace(stage, pager=Pager(stage.pager.release, fewer)).page(stage.faithful)
    assert len(again.items) == 10
    assert gone not in {item.media_id for item in again.items}


def test_a_title_newer_than_the_release_is_proposed_by_its_metadata(stage):
    held, user = stage.snapshot, stage.faithful
    twin = int(np.flatnonzero(held.ids == stage.page(user).items[0].media_id)[0])
    rows = [*range(len(held.ids)), twin]
    described = held.described.take(rows[:-1])
    named = described.slice(twin, 1).set_column(0, described.schema.field(0), pa.array(["new"]))
    wider = replace(
        held,
        ids=np.append(held.ids, "new"),
        features={name: values[rows] for name, values in held.features.items()},
        titles=[held.titles[n] for n in rows],
        genres=[held.genres[n] for n in rows],
        rights=[held.rights[n] for n in rows],
        groups=[held.groups[n] for n in rows],
        opens=held.opens[rows],
        closes=held.closes[rows],
        described=pa.concat_tables([described, named]),
    )
    pager, request = Pager(stage.pager.release, wider), PageRequest(user, "r", AT)
    history, row = wider.history(user), stage.store.user_row(user)
    assert "new" not in {media for generator in pager.release.generators.values() for media in generator.catalogue}
    assert "new" in pager.assemble_with_candidates(request, row, history)[1]
    untold = Pager(pager.release, replace(wider, described=None))
    assert "new" not in untold.assemble_with_candidates(request, row, history)[1]
    features = pager.features(np.array([twin, len(held.ids)]), request, row, history)
    for name, values in features.items():
        if name.startswith("retrieval_"):
            assert np.isnan(values[1]), "no generator knew a newer title when the ranker learned from scores"
        elif name.startswith("media_") and name != "media_id":
            np.testing.assert_array_equal(values[0], values[1], err_msg=name)
