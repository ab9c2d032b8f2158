"""Lifts and their errors worked by hand; CUPED on a covariate that says half of everything; alpha day by day."""

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower

from pipelines.core.errors import RequestError
from pipelines.experiments.definition import parse
from pipelines.experiments.estimates import Lift, Sample, lift, spread
from pipelines.experiments.power import members_needed
from pipelines.experiments.spending import alpha_on, bounds


def sample(numerator, denominator, before=None):
    above, below = np.array(numerator, dtype=float), np.array(denominator, dtype=float)
    return Sample(above, below, np.zeros((len(above), 1)) if before is None else np.array(before, dtype=float))


def test_a_lift_is_the_quotient_of_two_ratios_of_sums():
    control, treated = sample([1, 2, 3, 2], [2, 2, 4, 2]), sample([3, 2, 3, 4], [2, 2, 4, 2])
    found = lift(control, treated)
    assert (found.control, found.treated) == (0.8, 1.2)
    assert found.value == pytest.approx(0.5)


def test_the_error_of_a_mean_is_the_textbooks():
    control, treated = sample([1, 2, 3, 4], [1] * 4), sample([3, 4, 5, 8], [1] * 4)
    # Means 2.5 and 5, variances 5/3 and 14/3 over 4 each: (14/12 + 4 x 5/12) / 2.5^2.
    assert lift(control, treated).error == pytest.approx(((14 / 12 + 4 * 5 / 12) / 6.25) ** 0.5)


def test_a_member_without_sessions_changes_a_ratio_not_at_all():
    one, other = sample([1, 2, 3, 2], [2, 2, 4, 2]), sample([1, 2, 3, 2, 0], [2, 2, 4, 2, 0])
    assert other.ratio == one.ratio


@pytest.mark.parametrize("numerator", [[0, 0, 0, 0], [1, 2, 3, 4]])
def test_without_a_control_to_compare_with_nothing_is_known(numerator):
    found = lift(sample(numerator, [0] * 4 if any(numerator) else [1] * 4), sample([1, 2, 3, 4], [1] * 4))
    assert not found.known
    assert np.isnan(bounds(found, 0.05).low)


def test_cuped_takes_away_what_the_days_before_explain_and_moves_no_mean_by_it():
    rng = np.random.default_rng(5)
    before = rng.normal(5, 1, 20_000)
    after = before + rng.normal(0, 1, 20_000)
    half = 10_000
    ones = np.ones(half)
    plain = lift(sample(after[:half], ones), sample(after[half:], ones))
    found = lift(*(Sample(after[part], ones, before[part, None]) for part in (slice(half), slice(half, None))))
    assert found.saved == pytest.approx(0.5, abs=0.02)
    assert found.error == pytest.approx(plain.error * 0.5**0.5, rel=0.03)
    assert abs(found.value) < 3 * found.error


def test_cuped_leaves_an_effect_where_it_is():
    rng = np.random.default_rng(6)
    before = rng.gamma(2, 2, 40_000)
    after = before * rng.uniform(0.5, 1.5, 40_000)
    after[20_000:] *= 1.1
    ones, parts = np.ones(20_000), (slice(20_000), slice(20_000, None))
    found = lift(*(Sample(after[part], ones, before[part, None]) for part in parts))
    assert found.value == pytest.approx(0.1, abs=3 * found.error)
    assert found.saved > 0.5


def test_a_covariate_that_says_nothing_saves_nothing_and_breaks_nothing():
    control, treated = sample([1, 2, 3, 2], [2, 2, 4, 2]), sample([3, 2, 3, 4], [2, 2, 4, 2])
    assert lift(control, treated).saved == pytest.approx(0.0)
    assert spread(control)[0] == pytest.approx(spread(control)[1])


def test_the_shares_of_alpha_add_up_to_alpha_and_half_waits_for_the_last_day():
    spent = [alpha_on(day, 14, 0.05) for day in range(1, 15)]
    assert sum(spent) == pytest.approx(0.05)
    assert spent[-1] == 0.025
    assert spent[0] == spent[12] == pytest.approx(0.025 / 13)
    assert alpha_on(1, 1, 0.05) == 0.05
    assert alpha_on(14, 14, 0.05, comparisons=2) == 0.0125


@pytest.mark.parametrize("day", [0, 15])
def test_a_day_outside_the_plan_has_nothing_to_spend(day):
    with pytest.raises(RequestError, match="none of the 14 planned"):
        alpha_on(day, 14, 0.05)


def test_an_interval_reaches_as_far_as_its_alpha_says():
    held = bounds(Lift(1.0, 1.1, 0.1, 0.05, 0.0), 0.05)
    assert (held.low, held.high) == pytest.approx((0.1 - 1.959964 * 0.05, 0.1 + 1.959964 * 0.05))


def test_members_needed_are_those_of_statsmodels():
    variants = {"champion": {"release": "aaa", "share": 1}, "challenger": {"release": "bbb", "share": 1}}
    content = {"name": "spring", "variants": variants, "control": "champion", "planned_end": "2026-03-14"}
    definition = parse(content | {"minimum_effect": 0.02, "alpha": 0.05, "power": 0.8})
    # One day: all of alpha on it. statsmodels: members of one group, for an effect in standard deviations.
    one_group = NormalIndPower().solve_power(0.02 / 1.02 / 3.0**0.5, alpha=0.05, power=0.8)
    assert members_needed(definition, 3.0, 1) == pytest.approx(2 * one_group, rel=1e-3)
    # Over fourteen days half of alpha is what the last one has.
    later = NormalIndPower().solve_power(0.02 / 1.02 / 3.0**0.5, alpha=0.025, power=0.8)
    assert members_needed(definition, 3.0, 14) == pytest.approx(2 * later, rel=1e-3)
