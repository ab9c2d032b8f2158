"""How probable each title of an action set is, by hand."""

import numpy as np

from pipelines.core.draws import tempered


def test_probabilities_follow_the_scores_and_an_even_share_by_hand():
    np.testing.assert_allclose(tempered(np.array([0.1, 0.3]), 1.0, 0.2), [0.1 + 0.8 / 4, 0.1 + 0.8 * 3 / 4])
    np.testing.assert_allclose(tempered(np.array([0.1, 0.3]), 0.5, 0.0), [0.1, 0.9])
    np.testing.assert_allclose(tempered(np.array([0.1, 0.3]), 1.0, 1.0), [0.5, 0.5])


def test_what_has_no_score_cannot_be_drawn_and_the_others_are_as_without_it():
    found = tempered(np.array([[0.1, np.nan, 0.3], [np.nan, np.nan, np.nan], [0.2, 0.2, 0.4]]), 1.0, 0.2)
    np.testing.assert_allclose(found[0, [0, 2]], tempered(np.array([0.1, 0.3]), 1.0, 0.2))
    np.testing.assert_array_equal(found[1], [0.0, 0.0, 0.0])
    np.testing.assert_allclose(found.sum(axis=1), [1.0, 0.0, 1.0])
    assert found[0, 1] == 0.0


def test_scores_of_nothing_are_even_chances():
    np.testing.assert_allclose(tempered(np.zeros(4), 1.0, 0.0), [0.25] * 4)
