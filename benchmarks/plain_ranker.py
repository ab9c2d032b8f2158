"""The released ranker beside a plain one on KuaiRand: LightGBM on the raw columns and rates of the days before.

``python benchmarks/plain_ranker.py [PATH] [--test-from DAY] [--test-to DAY] [--seeds 7 8 9]``: the release is trained
whole for each seed on everything before the test; the plain ranker has the same labelled rows, the columns of the
source's own tables as they stand, the hour and the tab, and how often the member, the video, its author and its first
tag engaged until the day before. AUC and GAUC are means over the seeds; the interval is of the AUC's difference, paired
over members, of probabilities averaged over the seeds. The exit status is 1 where a bar is missed.
"""

import argparse
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines import backtest, judgement
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.metrics.classification import auc, auc_statistic, gauc
from pipelines.metrics.intervals import as_codes, bootstrap_statistic
from pipelines.released import load_release
from pipelines.sources.kuairand_profiles import ZONE

AUC, GAUC = 0.869, 0.846
SMOOTHING, ROUNDS, RAREST = 10.0, 150, 20
LEARNT = {
    "objective": "binary",
    "learning_rate": 0.04,
    "num_leaves": 31,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
}
OF_USER, OF_VIDEO = ("user_features_pure.csv", "user_id"), ("video_features_basic_pure.csv", "video_id")


def profiles(path: Path, file: str, key: str) -> pd.DataFrame:
    """A table of the source as it stands, without the bins of its own numbers."""
    table = pd.read_csv(path / file, dtype={key: str}).set_index(key)
    return table[[name for name in table.columns if not name.endswith("_range")]]


def events(path: Path, videos: pd.DataFrame) -> pd.DataFrame:
    """user, video, author, tag, day (days since 1970 in Shanghai) and engaged of everything that was shown."""
    log = pd.concat([pd.read_csv(file) for file in sorted(path.glob("log_standard_*.csv"))]).drop_duplicates()
    log = log[log.duration_ms > 0]
    day = pd.to_datetime(log.time_ms, unit="ms", utc=True).dt.tz_convert(ZONE)
    told = pd.DataFrame(
        {
            "user": log.user_id.astype(str),
            "video": log.video_id.astype(str),
            "day": numbered(day),
            "engaged": (log.play_time_ms / log.duration_ms > 0.8).astype(float),
        }
    )
    before = [pd.read_parquet(file) for file in sorted(path.glob("history_before_*.parquet"))]
    for rows in before:
        known = {"user": rows.user_id.astype(str), "video": rows.video_id.astype(str)}
        past = pd.DataFrame({**known, "day": int(told.day.min()) - 1, "engaged": rows.long_view.astype(float)})
        told = pd.concat([told, past], ignore_index=True)
    return with_video(told, videos)


def with_video(rows: pd.DataFrame, videos: pd.DataFrame) -> pd.DataFrame:
    """The rows with the video's author and first tag."""
    of = videos.reindex(rows.video)
    return rows.assign(author=of.author_id.to_numpy(), tag=of.tag.astype(str).str.split(",").str[0].to_numpy())


def numbered(moments: "pd.Series[Any]") -> "pd.Series[int]":
    """The day of each moment, as a number."""
    midnight: pd.Series[int] = moments.dt.tz_localize(None).dt.normalize().astype("datetime64[s]").astype("int64")
    return midnight // 86_400


def lagged(rows: pd.DataFrame, told: pd.DataFrame, key: str) -> dict[str, np.ndarray]:
    """The smoothed rate of ``key`` until the day before each row, and ln(1 + its count)."""
    daily = told.groupby([key, "day"]).engaged.agg(["sum", "count"]).reset_index().sort_values("day")
    daily[["sum", "count"]] = daily.groupby(key)[["sum", "count"]].cumsum()
    asked = rows[[key, "day"]].assign(place=range(len(rows))).sort_values("day")
    found = pd.merge_asof(asked, daily, on="day", by=key, allow_exact_matches=False).sort_values("place")
    total, count = found["sum"].fillna(0).to_numpy(), found["count"].fillna(0).to_numpy()
    rate = (total + SMOOTHING * told.engaged.mean()) / (count + SMOOTHING)
    return {f"{key}_rate": rate, f"{key}_count": np.log1p(count)}


def plain_columns(table: pa.Table, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """The raw columns of the labelled rows, and which of them are categories."""
    users, videos = profiles(path, *OF_USER), profiles(path, *OF_VIDEO)
    shown = table["event_timestamp"].to_pandas().dt.tz_convert(ZONE)
    rows = pd.DataFrame({"user": table["user_id"].to_pylist(), "video": table["media_id"].to_pylist()})
    rows = with_video(rows.assign(day=numbered(shown)), videos)
    told = events(path, videos)
    found = {f"u_{name}": users[name].reindex(rows.user).to_numpy() for name in users}
    found |= {f"v_{name}": videos[name].reindex(rows.video).to_numpy() for name in videos if name != "tag"}
    found |= {"v_tag": rows.tag.to_numpy(), "tab": table["surface"].to_pylist(), "hour": shown.dt.hour.to_numpy()}
    for key in ("user", "video", "author", "tag"):
        found |= lagged(rows, told, key)
    columns = pd.DataFrame(found)
    ids = {"v_author_id", "v_music_id", "v_music_type", "v_visible_status"}
    words = [n for n in columns.columns if columns[n].dtype == object or "onehot" in n or n in ids]
    fitted = ~pc.equal(table["split"], "test").to_numpy()
    for name in words:
        values = columns[name].astype(str)
        counts = values[fitted].value_counts()
        codes, _ = pd.factorize(values.where(values.isin(counts.index[counts >= RAREST])))
        columns[name] = np.where(codes < 0, np.nan, codes)
    return columns.astype(np.float32), words


def plain(table: pa.Table, columns: pd.DataFrame, words: list[str], seed: int) -> np.ndarray:
    """The plain ranker's probabilities of the labelled test rows."""
    import lightgbm

    test = pc.equal(table["split"], "test").to_numpy()
    label = table["label"].to_numpy()
    data = lightgbm.Dataset(columns[~test].to_numpy(), label=label[~test], categorical_feature=places(columns, words))
    model = lightgbm.train(LEARNT | {"seed": seed}, data, num_boost_round=ROUNDS)
    return np.asarray(model.predict(columns[test].to_numpy()))


def places(columns: pd.DataFrame, words: list[str]) -> list[int]:
    """Where the categories stand."""
    return [n for n, name in enumerate(columns) if name in words]


def main(path: Path, test_from: date, test_to: date | None, seeds: list[int]) -> int:
    """Train both sides for each seed on the same rows; 1 where a bar is missed."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        window, _ = backtest.prepare(
            "kuairand", path, settings=settings, test_from=test_from, test_to=test_to, say=print
        )
        found: dict[str, list[np.ndarray]] = {"released": [], "plain": []}
        for seed in seeds:
            release = load_release(backtest.train(settings, window, seed=seed, say=print)[0])
            table = Lake(settings.lake_path).read(f"training/{window.test_from}")
            rows = judgement.score_rows(release, judgement.scored_by(settings, release, table))
            kept = rows[rows.label.notna()]
            labelled = table.filter(pc.field("label").is_valid())
            columns, words = plain_columns(labelled, path / "data" if (path / "data").is_dir() else path)
            found["released"].append(kept.probability.to_numpy())
            found["plain"].append(plain(labelled, columns, words, seed))
    return told(kept.label.to_numpy(), kept.user_id.to_numpy().astype(str), found)


def told(label: np.ndarray, users: np.ndarray, found: dict[str, list[np.ndarray]]) -> int:
    """Print both sides and the bars."""
    figures = {
        side: (np.mean([auc(label, p) for p in own]), np.mean([gauc(label, p, users) for p in own]))
        for side, own in found.items()
    }
    print(f"{len(label):,} labelled rows; means of {len(found['plain'])} seeds\nside        AUC     GAUC")
    for side, (area, within) in figures.items():
        print(f"{side:<10}{area:8.4f} {within:8.4f}")
    members, codes = as_codes(users)
    ours, theirs = (auc_statistic(label, np.mean(found[s], axis=0), codes, len(members)) for s in ("released", "plain"))
    gain = bootstrap_statistic(len(members), lambda counts: ours(counts) - theirs(counts), seed=7)
    area, within = figures["released"]
    bars = [
        ("the released ranker's AUC", f"{area:.4f}", f"at least {AUC}", area >= AUC),
        ("the released ranker's GAUC", f"{within:.4f}", f"at least {GAUC}", within >= GAUC),
        (
            "AUC above the plain ranker's, paired",
            f"{gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]",
            "above 0",
            gain.low > 0,
        ),
    ]
    for name, measured, wanted, met in bars:
        print(f"bar: {name} | {measured} | {wanted} | {'met' if met else 'MISSED'}")
    return 0 if all(met for *_, met in bars) else 1


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("path", type=Path, nargs="?", default=Path("../shared/data/kuairand-pure"))
    asked.add_argument("--test-from", type=date.fromisoformat, default=date(2022, 4, 29))
    asked.add_argument("--test-to", type=date.fromisoformat)
    asked.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    sys.exit(main(**vars(asked.parse_args())))
