"""What `marquee backtest` prints of its figures."""

from collections.abc import Mapping
from typing import Any

from marquee import console

ABLATED = ("ranker.auc", "ranker.log_loss", "page.ndcg@10")


def figures(title: str, found: Mapping[str, Any]) -> None:
    """One figure a line, with its interval."""
    console.table(f"Backtest of {title}", ("figure", "value"), _figures(found))


def ablation(title: str, found: Mapping[str, Any]) -> None:
    """A line a group: what the ranker scores without it, and what it adds."""
    columns = ("group", "read", "AUC", "log loss", "NDCG@10", "adds AUC", "adds log loss", "adds NDCG@10", "verdict")
    console.table(
        f"What each group of features adds, {title}", columns, [_trial(outcome) for outcome in found["outcomes"]]
    )
    for outcome in found["outcomes"]:
        console.line(f"{outcome['group']}: {outcome['meaning']}")
    console.line(
        f"\n{found['rows']:,} labelled impressions, the pages of {found['members']:,} members, seed {found['seed']}. "
        "Figures are without the group (packed: with it). What it adds is the paired difference to everything, of X7 "
        "in place of X6 to no X6; above 0 = better with it, with its 95 % interval over members. A group pays where "
        "the whole interval of its AUC lies above what another seed changes, and does not where it ends below that or "
        f"below {found['least']}."
    )


def folds(title: str, found: Mapping[str, Any]) -> None:
    """A line a fold, then the mean and the spread of every figure."""
    names = list(found["over_folds"])
    rows = [
        (
            "{fit_from} to ".format(**fold["window"]) + _last_fitted(fold),
            "{test_from} to {test_to}".format(**fold["window"]),
            *(_interval(fold[part][name]) for part, _, name in (n.partition(".") for n in names)),
        )
        for fold in found["folds"]
    ]
    spread = found["over_folds"].values()
    rows.append(("mean", "", *(f"{of['mean']:.4f}" for of in spread)))
    rows.append(("standard deviation", "", *(f"{of['sd']:.4f}" for of in spread)))
    console.table(f"Folds of {title}", ("learnt from", "scored", *names), rows)


def ratings(title: str, found: Mapping[str, Any]) -> None:
    """The model beside its floors, then what there is of each feedback, and who rates what."""
    models = [
        (name, *(_interval(parts[part][of]) if part in parts else "" for part, of in RATED))
        for name, parts in found["models"].items()
    ]
    console.table(f"Ratings of {title}", ("model", "RMSE", "MAE", "RMSE where both are known"), models)
    for name, gain in found["gains"].items():
        console.line(f"{name}: RMSE lower by {_signed(gain)}")
    counts, days = found["counts"], f"{found['test_from']} to {found['test_to']}"
    console.line(
        f"{counts['fitted']:,} ratings learnt, {counts['scored']:,} of {counts['members_scored']:,} members scored, "
        f"{days}; both member and title known in {found['share_known']:.1%} of them."
    )
    console.table("What there is", ("feedback", "rows"), list(found["feedback"].items()))
    titles, members = found["missing"]["media_id"], found["missing"]["user_id"]
    rows = [(t["tenth"], *_tenth(t), *_tenth(m)) for t, m in zip(titles, members, strict=False)]
    columns = ("tenth", "titles: of all ratings", "mean rating", "members: of all ratings", "mean rating")
    console.table("Who rates what: tenths of titles and of members, those rated most first", columns, rows)


RATED = (("all", "rmse"), ("all", "mae"), ("known", "rmse"))


def _tenth(of: Mapping[str, Any]) -> tuple[str, str]:
    return f"{of['share']:.1%}", "{value:.2f} ({low:.2f} to {high:.2f})".format(**of["mean"])


def _last_fitted(fold: Mapping[str, Any]) -> str:
    from pipelines.core.window import Window

    return Window.model_validate(fold["window"]).last_fitted.isoformat()


def _trial(outcome: Mapping[str, Any]) -> tuple[object, ...]:
    scored, gained = outcome["figures"], outcome["gains"]
    values = (f"{scored[metric]:.4f}" if metric in scored else "" for metric in ABLATED)
    added = (_signed(gained[metric]) if metric in gained else "" for metric in ABLATED)
    return (outcome["group"], outcome["features_read"], *values, *added, outcome["verdict"])


def _signed(gain: Mapping[str, float]) -> str:
    return "{value:+.4f} [{low:+.4f}, {high:+.4f}]".format(**gain)


def _interval(figure: Mapping[str, float]) -> str:
    return "{value:.4f} ({low:.4f} to {high:.4f})".format(**figure)


def _figures(value: Any, name: str = "") -> list[tuple[str, str]]:
    """The figures of a nested report as lines, ``ranker.auc  0.8610 (0.8580 to 0.8640)``, and its outermost words."""
    if isinstance(value, dict) and set(value) == {"value", "low", "high"}:
        return [(name, _interval(value))]
    if isinstance(value, dict):
        return [line for key, part in value.items() for line in _figures(part, f"{name}.{key}".lstrip("."))]
    return [] if "." in name else [(name, str(value))]
