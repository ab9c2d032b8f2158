"""The order of a page: the probability of a watch once shown, and what the generators say of the title beside it.

The ranker learns from titles that were shown, so it says little of those that never would have been. What generators
retrieve for the member is evidence on just that, and so are the log odds of those that learn them from failures too:
order by log probability + prior x log generators' score + effects x their log odds. How much both count is learnt where
titles were shown by chance; elsewhere nobody can tell, and the default stays.
"""

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipelines.core.config import Config
from pipelines.core.contracts import Codes, Floats


class OrderingConfig(Config):
    """prior: how much the generators' score counts, effects: how much their log odds do; 0 and 0 = the ranker alone.
    Measured in docs/decisions/0008."""

    prior: float = Field(default=1.5, ge=0)
    effects: float = Field(default=0.0, ge=0)


MOST_WEIGHT, MOST = 100.0, 5.0
"""The most that a row counts, however unlikely its title was to be shown; the most that prior and effects can be."""
LIKELY, LOOSE = np.array([1.0, 0.4, 0.5, 0.0, 0.0]), np.array([1.0, 0.25, 0.25, 10.0, 3.0])
"""Slope, prior, effects, level and decay (each ten places) before the log is asked, and by how much each is expected to
differ from that: what made the best pages on worlds of known truth, which a few days of a log alone cannot find."""


def log_score(probability: Floats, retrieved: Floats, effects: Floats, config: OrderingConfig) -> Floats:
    """(n,) what titles are ordered by. probability, retrieved: (n,) above 0. effects: (n,) log odds, NaN = unknown."""
    tiny = np.finfo(np.float64).tiny
    agreed = np.log(np.maximum(probability, tiny)) + config.prior * np.log(np.maximum(retrieved, tiny))
    return np.asarray(agreed + config.effects * around(effects))


def around(effects: Floats) -> Floats:
    """(n,) around the mean of what is known, which is what an unknown one is taken for."""
    known = np.isfinite(effects)
    return np.asarray(np.where(known, effects - effects[known].mean() if known.any() else 0.0, 0.0), dtype=np.float64)


def best_first(score: Floats, codes: Codes) -> Codes:
    """(n,) places, best first; ties by code."""
    return np.lexsort((codes, -score))


def learn(
    probability: Floats, retrieved: Floats, effects: Floats, watched: Floats, propensity: Floats, position: Floats
) -> OrderingConfig:
    """Prior and effects under which titles shown by chance were watched as they were: all (n,), titles that were
    retrieved.

    probability: the ranker's, from before it had learnt these rows. effects: NaN = unknown. propensity: of being shown,
    in (0, 1). position: the place on the page, NaN where nobody logged it. A logistic regression, each row weighted by
    1 / propensity: slope x (logit p + prior x log s + effects x log odds) + level + decay x place, from LIKELY, which
    stays without evidence.
    """
    from scipy.optimize import minimize
    from scipy.special import expit, logit

    own = logit(np.clip(probability, 1e-6, 1 - 1e-6))
    said = np.column_stack([np.log(retrieved), around(effects)])
    place = np.nan_to_num(position) / 10
    weight = np.minimum(1 / propensity, MOST_WEIGHT)
    weight = weight * (weight.sum() / (weight**2).sum()) if len(weight) else weight  # To their effective number.

    def loss(told: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        slope, counts, level, decay = told[0], told[1:3], told[3], told[4]
        inner = own + said @ counts
        odds = slope * inner + level + decay * place
        off, apart = weight * (expit(odds) - watched), (told - LIKELY) / LOOSE
        value = weight @ (np.logaddexp(0, odds) - watched * odds) + (apart**2).sum() / 2
        slopes = np.array([off @ inner, *(slope * (off @ said)), off.sum(), off @ place])
        return float(value), slopes + apart / LOOSE

    bounds = [(0.01, None), (0.0, MOST), (0.0, MOST), (None, None), (None, None)]
    found = minimize(loss, LIKELY, jac=True, method="L-BFGS-B", bounds=bounds)
    return OrderingConfig(prior=round(float(found.x[1]), 3), effects=round(float(found.x[2]), 3))
