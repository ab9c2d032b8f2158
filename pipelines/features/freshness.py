"""How old a row may be: the limit of each view, offline and online alike.

Daily views publish a row only on days on which something changes (decision 2), and counts over the last days have a
row when a day leaves them: an old row is not a wrong one. What ages is what it tells. So the limits are long: after a
year away a member's habits and tastes say little, after a quarter what they did lately is no longer lately, and what
they are stays true until it changes. A row older than its view's limit at the moment of the question is absent: in
training by Feast's ttl, online when it is read. How far the store as a whole lags behind is another matter, told by
``FeatureStore.loaded_through``.
"""

from datetime import timedelta

from pipelines.features import stream
from pipelines.features.catalogue import USER_VIEWS

FOREVER = timedelta(0)
"""No limit, as Feast writes it."""
LATELY, HABITS = timedelta(days=90), timedelta(days=365)
LIMITS = {"user_attributes": FOREVER, stream.VIEW: LATELY}
"""Views of members that have a limit of their own."""


def limit(view: str) -> timedelta:
    """The age from which on a row of the view counts as absent: HABITS for a view of members, FOREVER for others."""
    return LIMITS.get(view, HABITS if view in USER_VIEWS else FOREVER)
