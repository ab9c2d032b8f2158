"""Team-draft interleaving: every title has a side, equal rankers win equally often, and the better one is found."""

import numpy as np
import pytest

from pipelines.core.errors import RequestError
from pipelines.experiments.interleaving import FIRST, SECOND, Draft, credit, preference, team_draft

ABC, CAB = ["a", "b", "c"], ["c", "a", "b"]


def draft(first, second, k, request_id="r1"):
    return team_draft(first, second, k, request_id=request_id, salt="spring")


def test_each_round_gives_either_side_one_title_of_its_own_best():
    found = {draft(ABC, CAB, 2, f"r{n}") for n in range(50)}
    assert found == {Draft(("a", "c"), (FIRST, SECOND)), Draft(("c", "a"), (SECOND, FIRST))}


def test_a_title_that_both_want_goes_to_who_chooses_first():
    found = {draft(["a", "b"], ["a", "c"], 2, f"r{n}") for n in range(50)}
    assert found == {Draft(("a", "c"), (FIRST, SECOND)), Draft(("a", "b"), (SECOND, FIRST))}


def test_the_same_request_gets_the_same_page():
    long, other = [f"m{n}" for n in range(40)], [f"m{n}" for n in reversed(range(40))]
    assert draft(long, other, 10) == draft(long, other, 10)
    assert len({draft(long, other, 10, f"r{n}") for n in range(20)}) > 10


def test_a_side_that_runs_out_leaves_the_rest_to_the_other():
    found = draft(["a"], ["a", "b", "c"], 5)
    assert set(found.media) == {"a", "b", "c"}
    assert found.side[found.media.index("b")] == found.side[found.media.index("c")] == SECOND


def test_credit_counts_what_the_member_engaged_with_by_side():
    page = Draft(("a", "b", "c", "d"), (FIRST, SECOND, SECOND, FIRST))
    assert credit(page, {"b", "c", "d", "elsewhere"}) == (1, 2)
    assert credit(page, set()) == (0, 0)


def test_a_member_has_one_vote_by_all_their_pages():
    found = preference([("u1", (1, 0)), ("u1", (0, 3)), ("u2", (1, 0)), ("u3", (2, 2)), ("u4", (0, 1))])
    assert (found.first, found.second, found.tied) == (1, 2, 1)
    assert found.share == pytest.approx(2 / 3)
    assert found.p_value == 1.0


def test_ten_of_ten_is_an_exact_sign_test():
    assert preference((f"u{n}", (0, 1)) for n in range(10)).p_value == pytest.approx(2 / 2**10)


def test_without_a_vote_nothing_is_said():
    found = preference([("u1", (0, 0))])
    assert (found.tied, found.p_value) == (1, 1.0)
    assert np.isnan(found.share)


def votes(first, second, members=3000, like=0.1):
    """Members who open a title with a probability that falls with its place, and is ``like`` times its worth."""
    rng = np.random.default_rng(3)
    for n in range(members):
        page = draft(first(rng), second(rng), 10, f"r{n}")
        worth = np.array([1.0 if media.startswith("good") else 0.3 for media in page.media])
        seen = rng.random(len(page.media)) < like * 5 * worth / np.arange(1, len(page.media) + 1)
        yield f"u{n}", credit(page, {media for media, yes in zip(page.media, seen, strict=True) if yes})


TITLES = [f"{kind}{n}" for kind in ("good", "poor") for n in range(20)]


def shuffled(rng):
    return list(rng.permutation(TITLES))


def test_equal_rankers_win_equally_often():
    found = preference(votes(shuffled, shuffled))
    assert found.low < 0.5 < found.high
    assert found.p_value > 0.05


def test_one_ranker_against_itself_wins_equally_often():
    found = preference(votes(lambda _: TITLES, lambda _: TITLES))
    assert found.low < 0.5 < found.high


def test_the_better_ranker_is_found_whichever_side_it_is_on():
    assert preference(votes(shuffled, lambda _: TITLES)).low > 0.5
    assert preference(votes(lambda _: TITLES, shuffled)).high < 0.5


@pytest.mark.parametrize(
    ("first", "second", "k", "said"),
    [
        (ABC, CAB, 0, "k is 0"),
        (["a", "a"], CAB, 2, "the first ranking names a title twice"),
        (ABC, ["c", "c"], 2, "the second ranking names a title twice"),
    ],
)
def test_a_wrong_draft_is_refused(first, second, k, said):
    with pytest.raises(RequestError, match=said):
        draft(first, second, k)
