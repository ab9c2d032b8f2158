"""The search for a ranker's settings: a known optimum, a budget that ends it, the same trials for the same seed."""

import math

import pytest

from pipelines.core.contracts import Span
from pipelines.ranking import RANKERS, job
from pipelines.ranking.search import SearchConfig, Trial, best, search

SPACE = {"rate": Span(0.01, 1.0, log=True), "leaves": Span(2, 64), "shape": ((8,), (8, 4))}


def bowl(options):
    """Least at rate 0.1 with leaves 30; the method's own settings are far from it."""
    return (math.log10(options.get("rate", 1.0)) + 1) ** 2 + abs(options.get("leaves", 2) - 30) / 30


class Clock:
    """A minute passes each time it is read."""

    def __init__(self, step=0.0):
        self.now, self.step = 0.0, step

    def __call__(self):
        self.now += self.step
        return self.now


def run(config, seed=3, score=bowl, clock=None):
    said = []
    return search(SPACE, config, score, seed=seed, clock=clock or Clock(), say=said.append), said


def test_the_first_trial_is_the_method_as_it_is_and_the_best_is_better():
    config = SearchConfig(trials=25)
    found, _ = run(config)
    assert found[0].options == {}
    assert len(found) == 25
    assert best(found, config).value < 0.5 < found[0].value


def test_values_are_those_that_settings_take():
    found, _ = run(SearchConfig(trials=12))
    for trial in found[1:]:
        assert isinstance(trial.options["leaves"], int)
        assert trial.options["shape"] in SPACE["shape"]
        assert 0.01 <= trial.options["rate"] <= 1.0


def test_the_same_seed_tries_the_same_and_a_shorter_search_is_its_beginning():
    long, short, other = (run(SearchConfig(trials=n), seed=s)[0] for n, s in ((15, 3), (10, 3), (15, 4)))
    assert [t.options for t in long[:10]] == [t.options for t in short]
    assert [t.options for t in long] != [t.options for t in other]


def test_no_trial_begins_after_the_minutes_are_over_and_the_first_says_how_long_it_takes():
    found, said = run(SearchConfig(trials=100, minutes=5), clock=Clock(step=30.0))
    assert 2 <= len(found) < 6
    assert "about" in said[0]
    assert "the best so far" in said[1]


def test_higher_is_better_where_the_aim_says_so():
    trials = [Trial({}, 1.5, 0.0), Trial({"rate": 0.1}, 1.7, 0.0), Trial({"rate": 0.2}, float("nan"), 0.0)]
    assert best(trials, SearchConfig(objective="auc_gauc")).value == 1.7
    assert best(trials, SearchConfig()).value == 1.5


def test_settings_that_cannot_be_fitted_do_not_end_a_search():
    found, _ = run(SearchConfig(trials=12), score=lambda o: float("nan") if o.get("leaves", 2) > 30 else bowl(o))
    assert len(found) == 12
    assert any(math.isnan(trial.value) for trial in found)


@pytest.mark.parametrize("method", sorted(RANKERS))
def test_every_method_accepts_the_ends_of_its_space(method):
    for place in (0, -1):
        ends = {
            n: (of.low, of.high)[place] if isinstance(of, Span) else of[place]
            for n, of in RANKERS[method].SPACE.items()
        }
        assert job.configured(method, ends).model_dump().items() >= ends.items()
