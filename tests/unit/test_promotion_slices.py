"""The gate in parts of the membership and on figures of the whole, on evidence whose answer is known."""

import dataclasses
import json
from datetime import date
from xml.etree import ElementTree

import numpy as np
import pytest

from pipelines.core.errors import ReleaseError
from pipelines.core.evidence import Evidence, rows
from pipelines.core.release import Manifest
from pipelines.metrics.intervals import Interval
from pipelines.promotion import card, limits, plots
from pipelines.promotion.comparison import Comparison, compare, compare_parts
from pipelines.promotion.documents import LONGEST, Case, figures, tags
from pipelines.promotion.gate import decide
from pipelines.promotion.policy import Floor, Guardrail, Limit, Policy, Slices

NDCG, LOSS = "page.ndcg@10", "ranker.log_loss"
SLICES = Slices(names=("device",), guardrails=(Guardrail(metric=NDCG, margin=0.02),), minimum_members=50)
POLICY = Policy(primary=NDCG, floors=(Floor(metric=NDCG),), slices=SLICES, resamples=300, row_resamples=100)
MEMBERS = 400
TV = np.arange(MEMBERS) % 2 == 0


def scored(everyone=0.0, tv=0.0, **changes):
    """NDCG near 0.3, higher by ``everyone`` for all and by ``tv`` for the half who watch on a television, give or take
    what differs between two releases; rows with true probabilities."""
    rng = np.random.default_rng(5)
    ndcg = 0.1 + 0.4 * rng.random(MEMBERS) + everyone + tv * TV
    ndcg += 0.02 * np.random.default_rng(6).normal(size=MEMBERS) * bool(everyone or tv)
    p = rng.random(3 * MEMBERS)
    evidence = Evidence(
        date(2022, 4, 29),
        date(2022, 5, 2),
        date(2022, 4, 28),
        np.array([f"u{i}" for i in range(MEMBERS)]),
        {NDCG: ndcg},
        {"ranker": rows(np.arange(p.size), np.repeat(np.arange(MEMBERS), 3), rng.random(p.size) < p, p)},
        slices={"device": np.where(TV, "tv", "phone")},
        figures={"release.size_mb": 10.0, "page.p99_ms": 40.0},
        reliability=np.array([[0.05, 0.06, 900.0], [0.4, 0.3, 100.0], [0.9, 1.0, 3.0]]),
    )
    return dataclasses.replace(evidence, **changes)


FLOOR, CHAMPION = scored(-0.1), scored()


def judged(challenger, champion=CHAMPION, **changes):
    return decide(challenger, champion, FLOOR, POLICY.model_copy(update=changes), seed=1)


def of(limit):
    return {"limits": (Limit(**limit),)}


def test_a_challenger_better_in_every_part_is_promoted_and_says_where_it_was_least_sure():
    verdict = judged(scored(0.05))
    assert verdict.verdict == "promote"
    assert [(c.part, c.finding, c.members) for c in verdict.parts] == [
        ("device=phone", "shown", 200),
        ("device=tv", "shown", 200),
    ]
    assert verdict.reasons[-1].startswith(
        "not worse than the champion by 0.02 in 2 parts of the slices, least surely: "
    )


def test_a_challenger_better_on_the_whole_and_worse_in_a_part_is_rejected():
    verdict = judged(scored(0.2, tv=-0.25))
    assert verdict.comparisons[1].finding == "shown"
    assert verdict.verdict == "reject"
    (reason,) = verdict.reasons
    assert reason.startswith("not worse than the champion by 0.02 is refuted: page.ndcg@10")
    assert "on 200 members with device=tv" in reason


def test_a_part_that_is_not_sure_either_way_leaves_the_verdict_open():
    verdict = judged(scored(0.2, tv=-0.22))
    assert [c.finding for c in verdict.parts] == ["shown", "open"]
    assert verdict.verdict == "inconclusive"


def test_a_part_is_compared_as_if_there_were_no_others():
    mine, theirs = scored(0.05), CHAMPION
    (_, tv) = compare_parts(NDCG, ("device",), mine, theirs, -0.02, 50, POLICY, seed=1)
    alone = [
        dataclasses.replace(e, members=e.members[TV], metrics={NDCG: e.metrics[NDCG][TV]}, rows={}, slices={})
        for e in (mine, theirs)
    ]
    assert tv == compare(NDCG, "champion", *alone, -0.02, POLICY, seed=1)._replace(part="device=tv")


def test_the_rows_of_a_part_are_those_of_its_members():
    held = CHAMPION.rows["ranker"]
    spoilt = np.where(TV[held.member], 1 - held.probability, held.probability)
    mine = scored(rows={"ranker": dataclasses.replace(held, probability=spoilt)})
    phone, tv = compare_parts(LOSS, ("device",), mine, CHAMPION, -0.02, 50, POLICY, seed=1)
    assert (phone.gain.value, phone.finding) == (0.0, "shown")
    own = TV[held.member]
    true, false = (np.log(np.where(held.label == 1, p, 1 - p)[own]).mean() for p in (held.probability, spoilt))
    assert tv.gain.value == pytest.approx(false - true)
    assert (tv.finding, tv.members) == ("refuted", 200)


def test_a_part_with_too_few_members_is_listed_and_never_passed_in_silence():
    words = np.where(np.arange(MEMBERS) < 20, "tablet", scored().slices["device"])
    mine = scored(0.05, slices={"device": words})
    verdict = judged(mine)
    assert verdict.verdict == "promote"
    assert verdict.reasons[-1] == (
        "too few members to tell page.ndcg@10 in device=tablet (20): the policy lets that pass"
    )
    (tablet,) = [c for c in verdict.parts if c.part == "device=tablet"]
    assert (tablet.finding, tablet.members) == ("too few", 20)
    held_up = judged(mine, slices=SLICES.model_copy(update={"too_few": "inconclusive"}))
    assert (held_up.verdict, held_up.reasons) == (
        "inconclusive",
        ("too few members to tell page.ndcg@10 in device=tablet (20): the policy waits for more",),
    )


def test_a_part_in_which_nobody_has_a_figure_is_listed_too():
    nobody = {NDCG: np.where(TV, np.nan, scored(0.05).metrics[NDCG])}
    champion = scored(metrics={NDCG: np.where(TV, np.nan, CHAMPION.metrics[NDCG])})
    floor = dataclasses.replace(FLOOR, metrics={NDCG: np.where(TV, np.nan, FLOOR.metrics[NDCG])})
    verdict = decide(scored(0.05, metrics=nobody), champion, floor, POLICY, seed=1)
    assert "device=tv (0)" in verdict.reasons[-1]


def test_a_missing_slice_is_refused_with_those_that_there_are():
    verdict = judged(scored(0.05, slices={"country": np.full(MEMBERS, "GB")}))
    assert verdict.verdict == "reject"
    assert verdict.reasons[0].startswith("the evidence lacks the slice device (it holds country): evaluate")
    with pytest.raises(ReleaseError, match=r"lacks the slice device \(it holds none\)"):
        compare_parts(NDCG, ("device",), scored(slices={}), CHAMPION, 0.0, 1, POLICY, seed=1)


def test_a_champion_whose_evidence_knows_no_slices_can_still_be_compared():
    assert judged(scored(0.05), scored(slices={}, figures={})).verdict == "promote"


def test_a_first_release_is_judged_by_the_floors_alone():
    verdict = judged(scored(tv=-0.05), None, **of({"figure": "release.size_mb", "most": 5}))
    assert (verdict.verdict, verdict.parts) == ("promote", ())
    assert verdict.reasons[-1].endswith("must be at most 5; a first release is judged by the floors alone")


def test_where_the_challenger_gains_is_reported_and_decides_nothing():
    verdict = judged(scored(tv=0.05), primary=LOSS, guardrails=(Guardrail(metric=NDCG, margin=0.02),))
    assert verdict.verdict == "inconclusive"
    (better,) = verdict.better
    assert better.startswith("device=tv: page.ndcg@10 +0.049")


def test_equal_releases_are_rarely_called_better_anywhere():
    rng, called = np.random.default_rng(8), 0
    champion = scored(slices={"cell": np.array([f"c{i % 8}" for i in range(MEMBERS)])})
    slices = Slices(names=("cell",), guardrails=(Guardrail(metric=NDCG, margin=0.5),), minimum_members=10)
    policy = POLICY.model_copy(update={"slices": slices, "resamples": 20})
    for _ in range(30):
        noise = 0.05 * rng.normal(size=MEMBERS)
        mine = dataclasses.replace(champion, metrics={NDCG: champion.metrics[NDCG] + noise})
        called += bool(decide(mine, champion, FLOOR, policy, seed=1).better)
    assert called <= 4


@pytest.mark.parametrize(
    ("limit", "held"),
    [
        ({"figure": "release.size_mb", "most": 10}, True),
        ({"figure": "release.size_mb", "most": 9.9}, False),
        ({"figure": "page.p99_ms", "least": 40, "most": 40}, True),
        ({"figure": "page.p99_ms", "least": 41}, False),
        ({"figure": "page.p99_ms", "most_of_champion": 2.0}, True),
        ({"figure": "page.p99_ms", "most_of_champion": 1.9}, False),
        ({"figure": "page.p99_ms", "least_of_champion": 2.1}, False),
    ],
)
def test_a_figure_beyond_its_limit_rejects_a_better_challenger(limit, held):
    champion = scored(figures={"release.size_mb": 10.0, "page.p99_ms": 20.0})
    verdict = judged(scored(0.05), champion, **of(limit))
    assert (verdict.verdict, verdict.limits[0].held) == (("promote", True) if held else ("reject", False))
    assert held or verdict.reasons[0].startswith(f"beyond a limit: {limit['figure']} is")


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({}, r"the evidence lacks the figure page.p99_ms (it holds none): evaluate the release again"),
        ({"page.p99_ms": float("nan")}, "page.p99_ms is nan: the window is empty or cannot tell"),
    ],
)
def test_a_figure_that_is_missing_or_no_number_is_refused(figures, reason):
    verdict = judged(scored(0.05, figures=figures), **of({"figure": "page.p99_ms", "most": 500}))
    assert (verdict.verdict, verdict.reasons) == ("reject", (reason,))


def test_a_champion_without_the_figure_that_a_limit_multiplies_must_be_evaluated_again():
    limit = Limit(figure="page.p99_ms", most_of_champion=2.0)
    with pytest.raises(ReleaseError, match=r"the champion has no figure page\.p99_ms: evaluate it again"):
        limits.check(limit, scored(), scored(figures={}))


def test_an_empty_window_is_refused():
    empty = {"test_from": date(2022, 5, 3), "fitted_through": date(2022, 4, 28)}
    sides = [dataclasses.replace(e, **empty) for e in (scored(0.05), CHAMPION, FLOOR)]
    verdict = decide(*sides, POLICY, seed=1)
    assert (verdict.verdict, verdict.reasons) == (
        "reject",
        ("the window 2022-05-03 to 2022-05-02 is empty: test on a day or more",),
    )


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_a_metric_that_is_infinite_is_refused(value):
    verdict = judged(scored(metrics={NDCG: np.full(MEMBERS, value)}))
    assert verdict.reasons == ("page.ndcg@10 has no figure (400 members): the window is empty or cannot tell",)


def test_a_probability_that_is_no_number_is_refused_with_its_row():
    held = CHAMPION.rows["ranker"]
    broken = np.where(np.arange(held.probability.size) == 7, np.nan, held.probability)
    mine = scored(rows={"ranker": rows(held.ids, held.member, held.label, broken)})
    verdict = judged(mine, guardrails=(Guardrail(metric=LOSS, margin=0.02),))
    assert verdict.verdict == "reject"
    assert verdict.reasons[0].startswith("ranker.log_loss cannot be measured: score of row 7 is nan")
    case = Case(MANIFEST, verdict, POLICY, mine, CHAMPION, FLOOR)
    assert LOSS not in figures(case)
    assert figures(case)["release.size_mb"] == 10.0


def test_every_comparison_says_what_it_could_have_detected():
    verdict = judged(scored(0.05))
    gain = verdict.comparisons[1]
    assert 0 < gain.detectable < 0.01
    assert gain.chance < 1e-6
    assert all(f"{c.detectable:.4f} detectable" in c.describe() for c in (*verdict.comparisons, *verdict.parts))
    equal = judged(scored()).comparisons[1]
    assert (equal.chance, equal.detectable) == (1.0, 0.0)


def test_a_verdict_with_parts_and_limits_is_json_without_nan():
    words = np.where(np.arange(MEMBERS) < 20, "tablet", "tv")
    verdict = judged(scored(0.05, slices={"device": words}), **of({"figure": "release.size_mb", "most": 20}))
    written = json.loads(json.dumps(verdict.as_dict(), allow_nan=False))
    assert written["parts"][0]["gain"] == {"value": None, "low": None, "high": None}
    assert written["limits"] == [
        {"figure": "release.size_mb", "challenger": 10, "champion": 10, "asked": "at most 20", "held": True}
    ]


MANIFEST = Manifest(
    files={}, generators=("popularity",), ranker="gbdt", feature_service="ranking", feature_fingerprint="f",
    dataset="tiny <b>world</b>", time_zone="UTC", watermark=date(2022, 4, 28), trained_from=date(2022, 4, 1), seed=1,
    settings={}, metrics={}, git_commit="c", lock_hash="l",
)  # fmt: skip


@pytest.fixture(scope="module")
def page():
    words = np.where(np.arange(MEMBERS) < 20, "<i>tablet</i>", scored().slices["device"])
    challenger = scored(0.2, tv=-0.25, slices={"device": words})
    verdict = judged(challenger, **of({"figure": "release.size_mb", "most": 5}))
    return card.html(MANIFEST, verdict, POLICY, challenger, CHAMPION)


def test_the_card_is_one_page_without_scripts_that_fetches_nothing(page):
    for sign in ("<script", "javascript:", "http:", "https:", "src=", "<link", "@import", "url("):
        assert sign not in page
    assert page.count("<svg") == 3
    assert "<i>tablet" not in page
    assert "<b>world" not in page


def test_the_cards_pictures_are_well_formed_and_name_what_they_show(page):
    pictures = [ElementTree.fromstring(f"<svg{part.split('</svg>')[0]}</svg>") for part in page.split("<svg")[1:]]
    assert [picture.get("aria-label") for picture in pictures] == [
        "Gains with their intervals",
        "page.ndcg@10 in parts of the membership",
        "Calibration on all matured impressions",
    ]
    told = [title.text for title in pictures[1].iter("title")]
    assert len(told) == 2
    assert told[1].endswith("needed -0.02: refuted")
    assert "champion: 0.400 promised, 0.300 happened, 100 impressions" in {t.text for t in pictures[2].iter("title")}


def test_the_card_says_what_was_too_few_beyond_and_better(page):
    assert "Too few members with a figure: <b>device</b> &lt;i&gt;tablet&lt;/i&gt; (20)." in page
    assert "beyond a limit: release.size_mb is 10 and must be at most 5" in page
    assert '<td class="broken">broken</td>' in page
    assert "Better here, chance corrected for" in page
    assert "The policy it was judged by" in page


def test_a_card_of_a_challenger_that_could_not_be_judged_still_says_why():
    verdict = judged(scored(0.05, slices={}))
    written = card.html(MANIFEST, verdict, POLICY, scored(slices={}, reliability=None))
    assert "the evidence lacks the slice device" in written
    assert "<svg" not in written


def test_pictures_of_nothing_are_empty_and_one_without_an_interval_says_so():
    assert plots.forest([]) == plots.calibration({}) == plots.calibration({"champion": np.empty((0, 3))}) == ""
    nothing = Interval(0.1, float("nan"), float("nan"))
    assert "no interval" in plots.gains([Comparison(NDCG, "floor", 0.1, 0.0, nothing, 0.0, 1, "open")])


def test_what_mlflow_is_told_fits_its_columns_and_names_policy_and_window():
    verdict = dataclasses.replace(judged(scored(0.05)), reasons=tuple(f"reason {i} " * 20 for i in range(100)))
    case = Case(MANIFEST, verdict, POLICY, scored(0.05), CHAMPION, FLOOR)
    told = tags(case)
    assert len(told["reasons"]) <= LONGEST + 3
    assert told["reasons"].endswith("...")
    assert (told["verdict"], told["window"], len(told["policy"])) == ("promote", "2022-04-29 to 2022-05-02", 12)
    other = case._replace(policy=POLICY.model_copy(update={"confidence": 0.9}))
    assert tags(other)["policy"] != told["policy"]
    found = figures(case)
    assert found["gain.champion.page.ndcg@10.value"] == pytest.approx(0.05, abs=0.005)
    assert found["page.p99_ms"] == 40.0
