"""What a day's look says: counts by hand, then decisions on members whose truth is known."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import DataError
from pipelines.experiments import outcomes, power, readout
from pipelines.experiments.definition import parse
from pipelines.experiments.outcomes import COUNTS, Period
from pipelines.experiments.readout import Members, members_of, share_mismatch

MARCH = Period(date(2026, 3, 1), date(2026, 3, 3), "UTC")


def asked(**other):
    variants = {"champion": {"release": "aaa", "share": 1}, "challenger": {"release": "bbb", "share": 1}}
    content = {"name": "spring", "variants": variants, "control": "champion", "planned_end": "2026-03-14"}
    return parse(content | {"minimum_effect": 0.05} | other)


def moments(*texts):
    return pd.to_datetime([f"2026-03-{text}Z" for text in texts]).astype("datetime64[us, UTC]")


def test_sessions_clicks_videos_and_minutes_are_counted_on_their_days():
    shown = pd.DataFrame(
        {
            "impression_id": ["i1", "i2", "i3", "i4"],
            "session_id": ["s1", "s1", "s2", "s3"],
            "user_id": ["u1", "u1", "u1", "u2"],
            "shown_at": moments("01T23:00", "02T00:10", "02T09:00", "03T09:00"),
            "clicked": [False, True, False, None],
        }
    )
    watched = pd.DataFrame(
        {
            "impression_id": ["i2", "i2", "i3", "elsewhere"],
            "started_at": moments("02T00:11", "02T00:20", "02T09:01", "02T09:01"),
            "watched_seconds": [120.0, 121.0, np.nan, 900.0],
        }
    )
    rows = outcomes.count(shown, watched, MARCH, minutes=2.0)
    told = {(row.user_id, row.day): tuple(getattr(row, name) for name in COUNTS) for row in rows.itertuples()}
    # s1 began on the first day and was opened on the second; 120 seconds are not more than two minutes.
    assert told == {
        ("u1", 1): (1.0, 0.0, 0.0, 0.0),
        ("u1", 2): (1.0, 1.0, 1.0, pytest.approx(241 / 60)),
        ("u2", 3): (1.0, 0.0, 0.0, 0.0),
    }
    through = outcomes.totals(rows, pd.Index(["u2", "u1", "u3"]), 2)
    assert through["sessions"].tolist() == [0.0, 2.0, 0.0]
    assert outcomes.sums(through, "engagement_rate")[0].tolist() == [0.0, 1.0, 0.0]
    assert outcomes.sums(through, "sessions")[1].tolist() == [1.0, 1.0, 1.0]


def test_a_member_counts_from_the_first_exposure_and_fell_back_if_another_release_ever_answered():
    exposures = pd.DataFrame(
        {
            "user_id": ["u1", "u2", "u2", "u3"],
            "variant": ["champion", "challenger", "challenger", "challenger"],
            "release_id": ["aaa", "aaa", "bbb", "bbb"],
            "exposed_at": moments("01T10:00", "01T11:00", "02T11:00", "03T10:00"),
            "day": [1, 1, 2, 3],
        }
    )
    found = members_of(asked(), exposures)
    assert found.ids.tolist() == ["u1", "u2", "u3"]
    assert found.variant.tolist() == ["champion", "challenger", "challenger"]
    assert found.day.tolist() == [1, 1, 3]
    assert found.fallen_back.tolist() == [False, True, False]
    assert found.crossed == 0
    twice = pd.concat([exposures, exposures.iloc[:1].assign(variant="challenger")])
    assert members_of(asked(), twice).crossed == 1


def test_a_mismatch_of_shares_is_the_chi_square_of_the_counts():
    assert share_mismatch({"a": 50, "b": 50}, {"a": 1, "b": 1}) == 1.0
    # 60 and 40 of 100: (10^2 + 10^2) / 50 = 4 with one degree of freedom.
    assert share_mismatch({"a": 60, "b": 40}, {"a": 1, "b": 1}) == pytest.approx(0.0455, abs=1e-4)
    assert share_mismatch({"a": 90, "b": 10}, {"a": 9, "b": 1}) == 1.0


def world(n=2000, lift=1.0, sessions=1.0, seed=1, days=14):
    """n members a side, each there from the first day on, who watch ``lift`` as often where they are challenged."""
    rng = np.random.default_rng(seed)
    ids = pd.Index([f"u{i:05d}" for i in range(2 * n)])
    variant = np.array(["champion", "challenger"])[np.arange(2 * n) % 2]
    raised = np.where(variant == "challenger", lift, 1.0)
    liking, visits = rng.gamma(4, 0.25, 2 * n), np.where(variant == "challenger", sessions, 1.0)
    frames = []
    for day in range(1, days + 1):
        came = rng.poisson(visits)
        videos = rng.poisson(came * liking * raised)
        counts = {"sessions": came, "clicked": rng.binomial(came, 0.5), "videos": videos, "minutes": 20.0 * videos}
        frames.append(pd.DataFrame({"user_id": ids, "day": day, **counts}))
    members = Members(ids, variant, np.ones(2 * n, dtype=int), np.zeros(2 * n, dtype=bool))
    return members, pd.concat(frames, ignore_index=True)


def look(definition, members, rows, day=14, before=None):
    nothing = rows[:0] if before is None else before
    return readout.read(definition, members, rows, nothing, day=day, days=14)


def test_a_challenger_that_is_better_is_shipped():
    found = look(asked(), *world(lift=1.2), day=5)
    assert (found.verdict, found.verdicts) == ("ship", {"challenger": "ship"})
    assert "videos_watched rose" in found.reasons[0]
    assert [day for day, _ in found.by_day["challenger"]] == [1, 2, 3, 4, 5]


def test_one_that_is_worse_is_stopped_before_the_end():
    found = look(asked(), *world(lift=0.8), day=5)
    assert found.verdict == "stop"
    assert "videos_watched fell" in found.reasons[0]


def test_one_that_is_equal_runs_to_the_planned_end_and_is_not_shipped():
    members, rows = world()
    assert look(asked(), members, rows, day=13).verdict == "keep running"
    last = look(asked(), members, rows, day=14)
    assert last.verdict == "stop"
    assert "the planned end is reached" in last.reasons[-1]


def test_a_guardrail_that_gives_way_stops_what_the_primary_would_ship():
    members, rows = world(lift=1.3, sessions=0.8)
    assert look(asked(), members, rows).verdict == "ship"
    guarded = look(asked(guardrails=[{"metric": "sessions", "margin": 0.05}]), members, rows)
    assert guarded.verdict == "stop"
    assert "sessions fell" in guarded.reasons[0]


def test_a_guardrail_that_is_not_settled_keeps_it_running():
    members, rows = world(n=300, lift=1.5)
    found = look(asked(guardrails=[{"metric": "engagement_rate", "margin": 0.001}]), members, rows, day=8)
    assert found.verdict == "keep running"
    assert "engagement_rate may have fallen by more than 0.1%" in found.reasons[0]


def test_with_too_few_members_nothing_is_judged():
    found = look(asked(), *world(n=60, lift=3.0), day=10)
    assert found.verdict == "keep running"
    assert "100 are needed" in found.reasons[0]


def test_members_answered_by_another_release_are_counted_and_forbid_shipping():
    members, rows = world(lift=1.3)
    fallen = members.fallen_back.copy()
    fallen[1:201:2] = True
    mixed = Members(members.ids, members.variant, members.day, fallen)
    found = look(asked(), mixed, rows, day=5)
    assert found.verdict == "keep running"
    assert found.fallen_back == {"champion": 0, "challenger": 100}
    assert "100 of 2,000 members of challenger were answered by another release" in found.reasons[0]


def test_a_sample_ratio_mismatch_refuses_every_figure():
    members, rows = world(lift=1.3)
    kept = np.flatnonzero((members.variant == "champion") | (np.arange(len(members.ids)) % 8 != 1))
    lost = Members(members.ids[kept], members.variant[kept], members.day[kept], members.fallen_back[kept])
    found = look(asked(), lost, rows)
    assert (found.verdict, found.effects, found.by_day) == ("refused", [], {})
    assert "champion 2,000, challenger 1,500" in found.reasons[0]


def test_a_member_in_two_variants_refuses_every_figure():
    members, rows = world()
    crossed = Members(members.ids, members.variant, members.day, members.fallen_back, crossed=3)
    found = look(asked(), crossed, rows)
    assert found.verdict == "refused"
    assert "3 members were in two variants" in found.reasons[0]


def test_a_readout_before_anybody_was_exposed_says_so():
    members, rows = world()
    later = Members(members.ids, members.variant, np.full(len(members.ids), 3), members.fallen_back)
    with pytest.raises(DataError, match="has exposed nobody by day 2"):
        look(asked(), later, rows, day=2)


def test_two_challengers_are_judged_apart_and_share_alpha():
    three = {name: {"release": name, "share": 1} for name in ("champion", "better", "equal")}
    members, rows = world(n=3000)
    variant = np.array(["champion", "better", "equal"])[np.arange(6000) % 3]
    rows["videos"] *= np.where(rows["user_id"].isin(members.ids[variant == "better"]), 1.3, 1.0)
    found = look(asked(variants=three), Members(members.ids, variant, members.day, members.fallen_back), rows, day=6)
    assert (found.verdict, found.verdicts) == ("ship", {"better": "ship", "equal": "keep running"})


def test_a_plan_names_the_shortest_length_that_suffices():
    _, rows = world(n=500, days=14)
    found = power.plan(asked(minimum_effect=0.1), rows, rows[:0], [7, 14])
    assert [one.days for one in found.horizons] == [7, 14]
    assert {one.members for one in found.horizons} == {1000}
    assert found.horizons[1].needed < found.horizons[0].needed
    short, long = found.horizons
    assert (short.detectable > 0.1) == (not short.enough)
    assert found.days == (7 if short.enough else 14 if long.enough else None)
    half = power.plan(asked(minimum_effect=0.1, traffic=0.5), rows, rows[:0], [14])
    assert half.horizons[0].members == 500
    tiny = power.plan(asked(minimum_effect=0.0001), rows, rows[:0], [14])
    assert (tiny.days, tiny.members) == (None, None)


def test_a_plan_on_days_without_members_is_refused():
    _, rows = world(n=10)
    with pytest.raises(DataError, match="0 members visited"):
        power.plan(asked(), rows[:0], rows[:0], [7])
