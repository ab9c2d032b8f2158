"""What a list would have earned on slots that another policy filled by chance and said how probably.

A log holds hits on what was shown, mostly the popular; a metric that takes the log for the truth prefers lists that are
like it. Where each slot's propensity is known, a hit counts as many times as it was unlikely to be shown, and what was
shown ten times as often is not worth more for that.
"""

from dataclasses import dataclass

import numpy as np

from pipelines.core.errors import DataError
from pipelines.metrics.clustered import ratio, skewed_interval
from pipelines.metrics.intervals import Floats, Interval
from pipelines.metrics.judging import Codes
from pipelines.metrics.ranking import discounts

IPS = "ips_"
"""What names of metrics begin with whose members' figures are so skewed that their interval has to be corrected."""


@dataclass(frozen=True)
class Drawn:
    """Logged slots, all (rows,): the place of each one's member among the lists, the code of what was shown, what it
    earned, and how probable it was to be shown there, in (0, 1]. titles: how many there were to choose from."""

    member: Codes
    code: Codes
    reward: Floats
    propensity: Floats
    titles: int

    def __post_init__(self) -> None:
        if len({len(self.member), len(self.code), len(self.reward), len(self.propensity)}) != 1:
            raise DataError("drawn slots have columns of different lengths: give one value a slot")
        off = self.propensity[~((self.propensity > 0) & (self.propensity <= 1))]
        if off.size:
            raise DataError(f"a slot was drawn with propensity {off[0]:g}: give probabilities above 0, 1 at the most")
        if self.titles < 1:
            raise DataError(f"slots were drawn from {self.titles} titles: give how many there were")

    @property
    def weight(self) -> Floats:
        """(rows,) 1 / propensity, at most ``titles``: no slot counts for more than one that was drawn evenly."""
        return np.minimum(1 / self.propensity, self.titles)


def ips_dcg(ranked: Codes, drawn: Drawn, k: int = 10) -> Floats:
    """(n,) the mean over a member's slots of reward x weight / log2(i + 1), i = the place in the list of what the slot
    showed; 0 where it is not among the first ``k``.

    It estimates the DCG of rewards that the list would earn, each place looked at like an average slot of the log.
    ranked: (n, width) codes, best first, -1 pads. A media that a list repeats counts at its first place.

    Range: 0 or more, higher is better, 1 has no meaning. Ties: none, a list is ordered. Without positives: 0; NaN where
    a member has no slot. Normalised by: the member's slots, not by an ideal, which is not known: members with popular
    hits alone would count like those whose hit stands for hundreds.
    Source: Horvitz and Thompson 1952; for rankings Joachims, Swaminathan and Schnabel, WSDM 2017; the bound on weights
    as in Ionides, JCGS 2008, with a scale of the catalogue.
    """
    if k < 1:
        raise DataError(f"k is {k}: a list is scored to a depth of 1 or more")
    if drawn.member.size and int(drawn.member.max()) >= len(ranked):
        raise DataError(f"a slot is of member {int(drawn.member.max())}, lists are {len(ranked)}: give one for each")
    first = ranked[:, :k]
    same = (first[drawn.member] == drawn.code[:, None]) & (drawn.code >= 0)[:, None]
    at_first = same & (np.cumsum(same, axis=1) == 1)
    worth = at_first @ discounts(first.shape[1])
    earned = np.bincount(drawn.member, drawn.reward * drawn.weight * worth, minlength=len(ranked))
    slots = np.bincount(drawn.member, minlength=len(ranked))
    found: Floats = np.full(len(ranked), np.nan)
    np.divide(earned, slots, out=found, where=slots > 0)
    return found


def skewed_mean(values: Floats, confidence: float = 0.95) -> Interval:
    """The mean of members' figures, NaN left out; its interval is corrected for skewness and draws nothing."""
    held = values[~np.isnan(values)]
    return skewed_interval(ratio(held, np.ones(len(held))), confidence)
