from datetime import date
from pathlib import Path

import pyarrow.compute as pc
import pytest

from pipelines.core.lake import Lake
from pipelines.core.tables import HISTORY
from pipelines.ingestion import quarantine
from pipelines.ingestion.job import ingest
from pipelines.sources import SOURCES

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

pytestmark = pytest.mark.data


def imported(name: str, folder: str, root: Path):
    path = SHARED / folder
    if not path.is_dir():
        pytest.skip(f"{path} is not here: it holds the real data for developers and CI")
    source = SOURCES[name](path)
    lake = Lake(root / "lake")
    return lake, ingest(lake, source.dataset, source.batches())


@pytest.fixture(scope="module")
def kuairand(tmp_path_factory):
    return imported("kuairand", "kuairand-pure", tmp_path_factory.mktemp("kuairand"))


def test_every_exposure_of_kuairand_is_published_collapsed_or_set_aside(kuairand):
    lake, report = kuairand
    impressions = report.tables["impressions"]

    history = len(lake.read("impressions").filter(pc.field("policy") == HISTORY))
    assert history == 817_187
    assert impressions.rows_in - history == 94_784
    for table in report.tables.values():
        assert table.rows_in == table.published + table.duplicates + table.quarantined
    assert impressions.reasons == {"duration is 0": 1665, "same key, other content": 1}
    assert len(quarantine.read(lake, "impressions")) == 1666


def test_the_days_of_kuairand_are_those_of_shanghai(kuairand):
    lake, _ = kuairand

    assert lake.days("impressions")[0] == date(2022, 4, 24)
    assert lake.watermark("impressions").through == date(2022, 4, 30) == lake.watermark("users").through


def test_every_watch_of_kuairand_names_an_impression_of_the_same_member_and_video(kuairand):
    lake, _ = kuairand
    key = ["impression_id", "user_id", "media_id"]
    watches, impressions = (lake.read(t, columns=key) for t in ("watches", "impressions"))

    assert len(watches.join(impressions, key, join_type="left anti")) == 0
    assert len(impressions.group_by("impression_id").aggregate([])) == len(impressions)


def test_kuairand_members_and_videos_are_whole_with_their_own_columns(kuairand):
    lake, report = kuairand

    assert (report.tables["users"].published, report.tables["media"].published) == (27_285, 7_583)
    assert lake.read("users")["onehot_feat3"].null_count == 0
    assert pc.sum(pc.is_valid(lake.read("media")["genres"])).as_py() > 7_400


def test_movielens_is_published_whole(tmp_path):
    lake, report = imported("movielens", "ml-latest-small", tmp_path)

    assert {n: t.published for n, t in report.tables.items()} == {"media": 9742, "ratings": 100_836, "watches": 100_836}
    assert all(t.quarantined == t.duplicates == 0 for t in report.tables.values())
    assert lake.watermark("ratings").through == date(2018, 9, 24)
    assert lake.read("watches", columns=["completion"])["completion"].null_count == 100_836
