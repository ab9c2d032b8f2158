"""The global time split: fit, then calibrate, then test, each a span of whole days, none overlapping."""

from datetime import date, timedelta

from pydantic import NonNegativeInt, model_validator

from pipelines.core.config import Config


class Window(Config):
    """Days from ``fit_from`` fit, from ``calibrate_from`` calibrate, ``test_from`` to ``test_to`` (included) test."""

    fit_from: date
    calibrate_from: date
    test_from: date
    test_to: date
    gap_days: NonNegativeInt = 0
    """Days between the last that is learnt from and the test: as long as a release takes to reach its members."""

    @model_validator(mode="after")
    def _in_order(self) -> "Window":
        if not self.fit_from < self.calibrate_from < self.test_from <= self.test_to:
            spans = f"{self.fit_from} < {self.calibrate_from} < {self.test_from} <= {self.test_to}"
            raise ValueError(f"window is not in order ({spans}): give the fit, the calibration and the test a day each")
        if not self.calibrate_from < self.known_from:
            raise ValueError(f"gap_days {self.gap_days} leaves no day from {self.calibrate_from} on to calibrate")
        return self

    @property
    def known_from(self) -> date:
        """The day at whose start everything that is learnt from is over."""
        return self.test_from - timedelta(days=self.gap_days)

    @property
    def last_fitted(self) -> date:
        """The last day that anything was fitted or calibrated on: a release's watermark."""
        return self.known_from - timedelta(days=1)
