"""The parts of a running API, as its routes need them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pipelines.adapters.event_store import EventStore
from pipelines.core.settings import Settings
from serving.decisions import Decisions
from serving.feature_log import FeatureLog
from serving.recent import RecentFeatures
from serving.recommender import Recommender
from serving.refusals import Refusal
from serving.variants import Variants


@dataclass(frozen=True)
class Service:
    """What the routes need; ``clock`` gives the current UTC moment."""

    settings: Settings
    recommender: Recommender
    store: EventStore
    decisions: Decisions
    recent: RecentFeatures
    feature_log: FeatureLog
    variants: Variants
    clock: Callable[[], datetime]

    def moment(self, at: datetime | None) -> datetime:
        """Now, or the moment asked for where that is allowed: only simulations live in another time."""
        if at is not None and self.settings.profile != "embedded":
            raise Refusal(400, "at", "only the embedded profile answers as at another moment", "leave at out", str(at))
        return at or self.clock()
