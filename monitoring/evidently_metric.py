"""A promise as an Evidently metric, so that offline and following figures stand in its report and its dashboards."""

from collections.abc import Sequence
from typing import Any

from evidently.core.datasets import Dataset
from evidently.core.metric_types import SingleValue, SingleValueCalculation, SingleValueMetric
from evidently.core.report import Context

from monitoring.concordance import Promise


class Promised(SingleValueMetric):  # type: ignore[misc]
    """The following days' figure as current value, the offline figure as reference."""

    metric: str
    following: float
    offline: float


class PromisedCalculation(SingleValueCalculation[Promised]):  # type: ignore[misc]
    """Shows two figures that were computed elsewhere."""

    def calculate(
        self, context: Context, current_data: Dataset, reference_data: Dataset | None
    ) -> tuple[SingleValue, SingleValue]:
        return self.result(self.metric.following), self.result(self.metric.offline)

    def display_name(self) -> str:
        return f"{self.metric.metric}: current = following days, reference = offline"


def promise_metrics(promises: Sequence[Promise]) -> list[Any]:
    """One metric for each promise that has both figures."""
    return [
        Promised(metric=p.metric, following=p.following.value, offline=p.offline.value)
        for p in promises
        if p.offline is not None and p.following is not None
    ]
