"""What a ranker says of one score: each feature's contribution to the log odds, the largest first."""

from collections.abc import Mapping, Sequence

from pipelines.core.contracts import Floats


def explained(names: Sequence[str], contributions: Floats, slope: float) -> list[dict[str, float]]:
    """One dict a row. contributions: (n, len(names)) to the log odds before calibration, which multiplies by slope."""
    return [strongest(dict(zip(names, row, strict=True))) for row in (contributions * slope).tolist()]


def strongest(contribution: Mapping[str, float]) -> dict[str, float]:
    """The same entries, largest magnitude first."""
    return dict(sorted(contribution.items(), key=lambda entry: -abs(entry[1])))
