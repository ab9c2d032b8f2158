"""Settings of a ranker searched by Optuna: the first trial is the method as it is, the best of all remains."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from pipelines.core.config import Config
from pipelines.core.contracts import Space, Span
from pipelines.core.errors import SettingsError

Score = Callable[[Mapping[str, Any]], float]
Clock = Callable[[], float]
Objective = Literal["log_loss", "auc_gauc"]


class SearchConfig(Config):
    """How much may be spent, and what is asked for."""

    trials: PositiveInt = 30
    """The own settings of the method are the first of them."""
    minutes: PositiveFloat = 60.0
    """No trial begins after so long."""
    objective: Objective = "log_loss"
    """The mean over folds of the log loss on all matured impressions, or of AUC + GAUC on labelled ones."""
    folds: int = Field(default=3, ge=2)
    test_days: PositiveInt = 2

    @property
    def lower_is_better(self) -> bool:
        return self.objective == "log_loss"


@dataclass(frozen=True)
class Trial:
    """Settings beside the method's own, and what they are worth; NaN where they could not be fitted."""

    options: Mapping[str, Any]
    value: float
    seconds: float


def search(
    space: Space, config: SearchConfig, score: Score, *, seed: int, clock: Clock, say: Callable[[str], None]
) -> list[Trial]:
    """The trials, in order: the same for the same seed, though a shorter budget of time ends them sooner.

    Raises:
        SettingsError: where Optuna is not installed.
    """
    study, distributions = _study(config, seed), _distributions(space)
    began, found = clock(), []
    for number in range(1, config.trials + 1):
        asked = study.ask(distributions) if number > 1 else None
        options = {name: _plain(space[name], value) for name, value in asked.params.items()} if asked else {}
        start = clock()
        value = score(options)
        found.append(Trial(options, value, clock() - start))
        if asked is not None:
            study.tell(asked, None if math.isnan(value) else value, **_failed(value))
        say(_progress(config, found, clock() - began))
        if clock() - began > 60 * config.minutes:
            break
    return found


def best(trials: Sequence[Trial], config: SearchConfig) -> Trial:
    """The best of the trials, the earliest of those that are alike."""
    known = [trial for trial in trials if not math.isnan(trial.value)]
    return min(known, key=lambda trial: trial.value if config.lower_is_better else -trial.value)


def _progress(config: SearchConfig, found: Sequence[Trial], spent: float) -> str:
    last, left = found[-1], config.trials - len(found)
    line = f"trial {len(found)} of {config.trials}: {config.objective} {last.value:.5f} in {last.seconds:.0f} s"
    if len(found) == 1:
        within = min(left, int(max(0.0, 60 * config.minutes - spent) / max(last.seconds, 1e-9)) + 1)
        about = within * last.seconds / 60
        return f"{line}, the method's own settings; about {about:.1f} minutes for {within} more of {left} trials"
    return f"{line}; the best so far {best(found, config).value:.5f}"


def _study(config: SearchConfig, seed: int) -> Any:
    try:
        import optuna
    except ImportError as exc:
        raise SettingsError("a search needs optuna, which is not installed: install marquee[train]") from exc
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=8)
    return optuna.create_study(direction="minimize" if config.lower_is_better else "maximize", sampler=sampler)


def _failed(value: float) -> dict[str, Any]:
    import optuna

    return {"state": optuna.trial.TrialState.FAIL} if math.isnan(value) else {}


def _distributions(space: Space) -> dict[str, Any]:
    """Optuna's own words for a space; of choices it is told their places, as it knows plain values only."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    for name, of in space.items():
        if not isinstance(of, Span):
            found[name] = CategoricalDistribution(list(range(len(of))))
        elif isinstance(of.low, int) and isinstance(of.high, int):
            found[name] = IntDistribution(of.low, of.high, log=of.log)
        else:
            found[name] = FloatDistribution(of.low, of.high, log=of.log)
    return found


def _plain(of: Span | tuple[Any, ...], value: Any) -> Any:
    return value if isinstance(of, Span) else of[value]
