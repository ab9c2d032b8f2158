"""A media's audience and its distributor's standing, worked by hand, in UTC."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from pipelines.core import dataset as datasets
from pipelines.core import tables
from pipelines.core.dataset import Dataset
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.features import job
from pipelines.features.distributor import TOP

# ibis 12 reads results by a DuckDB call that DuckDB 2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")


def at(day: int) -> datetime:
    return datetime(2022, 1, 1, 12, tzinfo=UTC) + timedelta(days=day - 1)


def watch(number: int, user: str, media: str, day: int, completion: float = 0.9) -> dict[str, object]:
    keys = {"watch_id": f"w{number}", "user_id": user, "media_id": media, "completion": completion}
    return keys | {"started_at": at(day), "available_at": at(day)}


def lake_of(home, watches, media, users=(), earlier=()) -> Lake:
    settings = Settings(home=home)
    lake = Lake(settings.lake_path)
    datasets.write(Dataset(name="tiny", source="tables", time_zone="UTC"), lake.root)
    lake.publish("users", pa.Table.from_pylist(list(users), tables.USERS.schema()))
    if earlier:
        lake.publish(tables.earlier("users"), pa.Table.from_pylist(list(earlier), tables.USERS.schema()))
    lake.publish("media", pa.Table.from_pylist(list(media), tables.MEDIA.schema()))
    for day in {row["started_at"].date() for row in watches}:
        here = [row for row in watches if row["started_at"].date() == day]
        lake.publish("watches", pa.Table.from_pylist(here, tables.WATCHES.schema()), day)
    job.refresh(settings, date(2022, 1, 1), date(2022, 1, 20))
    return lake


def found(lake: Lake, view: str, media: str, name: str) -> dict[int, float]:
    rows = [row for row in lake.read(job.table_of(view)).to_pylist() if row["media_id"] == media]
    return {row["event_timestamp"].day: row[name] for row in rows}


def test_the_audience_is_as_old_as_those_who_engaged_were_then(tmp_path):
    users = [{"user_id": u, "available_at": at(d), "age": a} for u, d, a in (("u1", 1, 20), ("u2", 6, 51))]
    users.append({"user_id": "ageless", "available_at": at(1)})
    earlier = [{"user_id": "u2", "available_at": at(1), "age": 50}]
    watches = [
        watch(1, "u1", "m1", 2),
        watch(2, "u2", "m1", 4),
        watch(3, "u2", "m1", 8),
        watch(4, "u1", "m1", 5, 0.5),
        watch(5, "ageless", "m2", 3),
    ]
    media = [{"media_id": m, "available_at": at(1)} for m in ("m1", "m2")]
    lake = lake_of(tmp_path, watches, media, users, earlier)
    ages = found(lake, "media_audience", "m1", "media_audience_age")
    assert ages == {3: 20.0, 5: 35.0, 9: pytest.approx((20 + 50 + 51) / 3)}
    assert found(lake, "media_audience", "m2", "media_audience_age") == {}


def test_an_age_stated_after_the_watch_counts_from_when_it_was_known(tmp_path):
    users = [{"user_id": "u1", "available_at": at(6), "age": 20}]
    lake = lake_of(tmp_path, [watch(1, "u1", "m1", 2)], [{"media_id": "m1", "available_at": at(1)}], users)
    assert found(lake, "media_audience", "m1", "media_audience_age") == {7: 20.0}


def test_a_distributor_is_among_the_top_ten_by_what_was_engaged_with_so_far(tmp_path):
    """Eleven distributors: the eleventh by name has one watch on day 2 as all have, and a second one on day 5."""
    names = [f"studio {n:02d}" for n in range(TOP + 1)]
    media = [{"media_id": f"m{n:02d}", "available_at": at(1), "distributor": name} for n, name in enumerate(names)]
    media += [{"media_id": "late", "available_at": at(6), "distributor": names[-1]}]
    media += [{"media_id": "unseen", "available_at": at(1), "distributor": "nobody's"}]
    media += [{"media_id": "unnamed", "available_at": at(1)}]
    watches = [watch(n, "u", f"m{n:02d}", 2) for n in range(TOP + 1)] + [watch(99, "u", f"m{TOP}", 5)]
    lake = lake_of(tmp_path, watches, media)
    name = "media_distributor_top10"
    assert found(lake, "media_distributor", "m00", name) == {2: 0.0, 3: 1.0}
    assert found(lake, "media_distributor", f"m{TOP}", name) == {2: 0.0, 6: 1.0}
    assert found(lake, "media_distributor", f"m{TOP - 1:02d}", name) == {2: 0.0, 3: 1.0, 6: 0.0}
    assert found(lake, "media_distributor", "late", name) == {7: 1.0}
    assert found(lake, "media_distributor", "unseen", name) == {2: 0.0}
    assert found(lake, "media_distributor", "unnamed", name) == {}
