"""Looking every day at the price of one look: each day has its share of alpha, whether or not somebody looks.

The shares add up to alpha, so that by the union bound the chance of any false decision up to the planned end is at
most alpha, whatever the looks have to do with each other. They have much: the same members come back day after day,
newcomers join, and heavy users weigh more and more, so that the increments are not independent, which the tighter
boundaries of Pocock, O'Brien and Fleming and the always-valid mixtures take them to be. Half of alpha waits for the
last day, as in Haybittle's and Peto's rule: the power at the end is that of a test at alpha / 2.
"""

from pipelines.core.errors import RequestError
from pipelines.experiments.estimates import Lift
from pipelines.metrics.intervals import NOTHING, Interval

AT_THE_END = 0.5


def alpha_on(day: int, days: int, alpha: float, comparisons: int = 1) -> float:
    """What may be spent on a day (1 is the first) of so many; RequestError where the day is none of them."""
    if not 1 <= day <= days:
        raise RequestError(f"day {day} is none of the {days} planned: read a day from 1 to {days}")
    share = 1.0 if days == 1 else AT_THE_END if day == days else (1 - AT_THE_END) / (days - 1)
    return alpha * share / comparisons


def bounds(lift: Lift, alpha: float) -> Interval:
    """The two-sided interval that spends ``alpha``."""
    from scipy.stats import norm

    if not lift.known:
        return NOTHING
    reach = float(norm.isf(alpha / 2)) * lift.error
    return Interval(lift.value, lift.value - reach, lift.value + reach)
