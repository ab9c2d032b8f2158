"""What an off-policy estimate rests on: rows whose title was drawn by chance, and what another policy would have done.

A row is one slot of one page. Rows of one member are not independent, so each names its member.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.core.errors import DataError
from pipelines.metrics.intervals import Floats, as_codes


@dataclass(frozen=True)
class Logged:
    """All (rows,). reward: what came of the title that was shown. propensity: with what probability it was shown.

    member: places among ``members`` members. predicted: what a model expects of the title that was shown.
    """

    reward: Floats
    propensity: Floats
    member: npt.NDArray[np.int64]
    members: int
    predicted: Floats | None = None

    @classmethod
    def of(
        cls,
        reward: npt.ArrayLike,
        propensity: npt.ArrayLike,
        members: npt.ArrayLike,
        predicted: npt.ArrayLike | None = None,
    ) -> "Logged":
        """Checked rows; ``members`` are any ids.

        Raises:
            DataError: without rows, for other lengths, a propensity outside (0, 1], or a number that is none.
        """
        rows = np.size(reward)
        if not rows:
            raise DataError("no slot was drawn by chance: the window is empty; choose other days, or explore")
        drawn = _column("propensity", propensity, rows)
        _within("propensity", drawn, (drawn > 0) & (drawn <= 1), "(0, 1]: a title that is shown was possible")
        if np.shape(members) != (rows,):
            raise DataError(f"members has shape {np.shape(members)} for {rows} rows: name the member of every row")
        owners, member = as_codes(members)
        model = None if predicted is None else _column("predicted", predicted, rows)
        return cls(_column("reward", reward, rows), drawn, member, len(owners), model)

    def sums(self, values: npt.ArrayLike) -> Floats:
        """(members,) sums of (rows,) values."""
        weights = np.broadcast_to(np.asarray(values, dtype=np.float64), self.member.shape)
        return np.bincount(self.member, weights=weights, minlength=self.members).astype(np.float64)


@dataclass(frozen=True)
class Target:
    """What another policy would do on the same rows, all (rows,).

    propensity: its probability of the title that was shown. support: how much of its probability lies on titles that
    could have been shown; None = all of it. predicted: what the model of ``Logged.predicted`` expects of its choice,
    the mean over titles by its probabilities.
    """

    propensity: Floats
    support: Floats | None = None
    predicted: Floats | None = None

    @classmethod
    def of(
        cls,
        propensity: npt.ArrayLike,
        support: npt.ArrayLike | None = None,
        predicted: npt.ArrayLike | None = None,
    ) -> "Target":
        """Checked columns of one length.

        Raises:
            DataError: for other lengths, a probability outside [0, 1], or a number that is none.
        """
        rows = np.size(propensity)
        names = {"target propensity": propensity, "target support": support, "target predicted": predicted}
        held = {name: _column(name, values, rows) for name, values in names.items() if values is not None}
        for name, values in held.items():
            if name != "target predicted":
                _within(name, values, (values >= 0) & (values <= 1 + 1e-9), "[0, 1]")
        return cls(held["target propensity"], held.get("target support"), held.get("target predicted"))

    def weights(self, logged: Logged) -> Floats:
        """(rows,) how much more often this policy shows what was shown than the log did.

        Raises:
            DataError: where the policy speaks of another number of rows.
        """
        if self.propensity.shape != logged.propensity.shape:
            rows, own = len(logged.propensity), len(self.propensity)
            raise DataError(f"the target speaks of {own} rows and the log of {rows}: ask it about the same rows")
        return np.asarray(self.propensity / logged.propensity)


def _column(name: str, values: npt.ArrayLike, rows: int) -> Floats:
    held = np.asarray(values, dtype=np.float64)
    if held.shape != (rows,):
        raise DataError(f"{name} has shape {held.shape} for {rows} rows: give one value a row")
    _within(name, held, np.isfinite(held), "the finite numbers")
    return held


def _within(name: str, values: Floats, good: npt.NDArray[np.bool_], where: str) -> None:
    if not good.all():
        row = int(np.argmin(good))
        raise DataError(
            f"{name} of row {row} is {values[row]:g}, not within {where}; leave the row out or mend the log"
        )
