from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core.errors import DataError
from pipelines.core.tables import HISTORY, REASON
from pipelines.sources import SOURCES, kuairand, kuairand_profiles

LOG_HEADER = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
    "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab"
)
# 2022-04-25 10:00:00 in Shanghai.
TEN = 1650852000000
VIDEO_HEADER = ",".join(kuairand_profiles.VIDEO_TYPES)


def log_row(user=1, video=7, time_ms=TEN, click=1, hate=0, played=5000, duration=10000, rand=0, tab=1):
    return f"{user},{video},20220425,1000,{time_ms},{click},0,0,0,0,{hate},0,{played},{duration},0,0,0,{rand},{tab}"


def user_row(**values):
    row = dict.fromkeys(kuairand_profiles.USER_TYPES, "0") | {"user_id": "1", "user_active_degree": "full_active"}
    return ",".join((row | values).values())


def write(folder: Path, name: str, *lines: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """A KuaiRand root folder with one member, one video and one exposure."""
    data = tmp_path / "KuaiRand-Pure" / "data"
    write(data, "log_standard_4_22_to_5_08_pure.csv", LOG_HEADER, log_row())
    write(data, "user_features_pure.csv", ",".join(kuairand_profiles.USER_TYPES), user_row())
    write(
        data,
        "video_features_basic_pure.csv",
        VIDEO_HEADER,
        '7,99,NORMAL,2022-04-10,Web,0.0,10000.0,720,1280,5,9.0,"39,68"',
    )
    return data.parent


def rows_of(folder: Path, **options) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for table, rows in kuairand.read(folder, **options).batches():
        found.setdefault(table.name, []).extend(rows.to_pylist())
    return found


def test_an_exposure_becomes_an_impression_and_a_watch_that_names_it(official):
    rows = rows_of(official)

    (impression,), (watch,) = rows["impressions"], rows["watches"]
    assert impression["impression_id"] == "1-7-1650852000000" == watch["impression_id"]
    assert impression["shown_at"] == datetime(2022, 4, 25, 2, 0, tzinfo=UTC) == impression["available_at"]
    assert (impression["surface"], impression["policy"], impression["clicked"]) == ("tab1", "standard", True)
    assert impression["position"] is None
    assert impression["propensity"] is None
    assert (watch["watched_seconds"], watch["total_seconds"], watch["completion"]) == (5.0, 10.0, 0.5)
    assert watch["available_at"] == datetime(2022, 4, 25, 2, 0, 5, tzinfo=UTC)


def test_the_root_and_its_data_folder_are_both_accepted(official):
    assert rows_of(official) == rows_of(official / "data")


def test_an_exposure_that_was_not_played_has_no_watch_and_a_looped_one_is_above_1(official):
    log = official / "data" / "log_standard_4_22_to_5_08_pure.csv"
    log.write_text("\n".join([LOG_HEADER, log_row(played=0), log_row(user=2, played=25000)]))

    rows = rows_of(official)

    assert len(rows["impressions"]) == 2
    assert [w["completion"] for w in rows["watches"]] == [2.5]


def test_duration_0_gives_impression_and_watch_their_reason_and_no_completion(official):
    log = official / "data" / "log_standard_4_22_to_5_08_pure.csv"
    log.write_text("\n".join([LOG_HEADER, log_row(), log_row(user=2, duration=0)]))

    rows = rows_of(official)

    assert [r[REASON] for r in rows["impressions"]] == [None, "duration is 0"]
    assert [(r[REASON], r["completion"]) for r in rows["watches"]] == [(None, 0.5), ("duration is 0", None)]


def test_the_random_log_is_told_apart_by_its_policy_and_claims_no_propensity(official):
    write(official / "data", "log_random_4_22_to_5_08_pure.csv", LOG_HEADER, log_row(user=2, rand=1, tab=4))

    by_policy = {r["policy"]: r for r in rows_of(official)["impressions"]}

    assert by_policy.keys() == {"standard", "random"}
    assert by_policy["random"]["propensity"] is None
    assert by_policy["random"]["surface"] == "tab4"


def test_a_hated_video_is_dismissed_when_the_watch_ends(official):
    (official / "data" / "log_standard_4_22_to_5_08_pure.csv").write_text("\n".join([LOG_HEADER, log_row(hate=1)]))

    (dismissal,) = rows_of(official)["dismissals"]

    assert (dismissal["user_id"], dismissal["media_id"]) == ("1", "7")
    assert dismissal["dismissed_at"] == datetime(2022, 4, 25, 2, 0, 5, tzinfo=UTC)


def test_media_come_with_tags_as_genres_and_are_known_from_the_day_of_upload_in_shanghai(official):
    (media,) = rows_of(official)["media"]

    assert media["genres"] == ["tag39", "tag68"]
    assert (media["duration_seconds"], media["creator"], media["kind"], media["title"]) == (10.0, "99", "NORMAL", None)
    assert media["release_date"] == date(2022, 4, 10)
    assert media["available_at"] == datetime(2022, 4, 9, 16, 0, tzinfo=UTC) == media["platform_at"]
    assert (media["music_type"], media["server_width"]) == ("9", 720)


def test_what_the_source_marks_as_unknown_is_null(official):
    video = "7,99,UNKNOWN,,UNKNOWN,0.0,,720,1280,0,,"
    write(official / "data", "video_features_basic_pure.csv", VIDEO_HEADER, video)
    changed = user_row(user_active_degree="UNKNOWN", is_live_streamer="-124", onehot_feat4="", onehot_feat12="1.0")
    write(official / "data", "user_features_pure.csv", ",".join(kuairand_profiles.USER_TYPES), changed)

    rows = rows_of(official)

    (user,), (media,) = rows["users"], rows["media"]
    unknown = ("kind", "upload_type", "music_id", "music_type", "genres", "duration_seconds", "platform_at")
    assert [name for name in unknown if media[name] is not None] == []
    assert user["user_active_degree"] is None
    assert user["is_live_streamer"] is None
    assert user["onehot_feat4"] is None
    assert user["onehot_feat12"] == "1"
    assert user["joined_at"] is None


def test_every_column_beyond_the_canonical_ones_is_declared(official):
    source = kuairand.read(official)
    declared = {c.name for c in source.dataset.columns}

    for table, rows in source.batches():
        canonical = {c.name for c in table.columns} | {REASON}
        assert set(rows.column_names) - canonical <= declared


def test_history_without_times_ends_a_second_before_its_day_and_long_views_are_whole_watches(official):
    history = pa.table({"user_id": [1, 1, 2], "position": [0, 1, 0], "video_id": [7, 8, 7], "long_view": [1, 0, 1]})
    pq.write_table(history, official / "data" / "history_before_4_25.parquet")

    rows = rows_of(official, chunk_rows=1)

    shown = {(r["user_id"], r["media_id"]): r["shown_at"] for r in rows["impressions"] if r["policy"] == HISTORY}
    assert shown == {
        ("1", "7"): datetime(2022, 4, 24, 15, 59, 58, tzinfo=UTC),
        ("1", "8"): datetime(2022, 4, 24, 15, 59, 59, tzinfo=UTC),
        ("2", "7"): datetime(2022, 4, 24, 15, 59, 59, tzinfo=UTC),
    }
    whole = [w for w in rows["watches"] if w["completion"] == 1.0]
    assert [(w["user_id"], w["media_id"], w["watched_seconds"]) for w in whole] == [("1", "7", None), ("2", "7", None)]


def test_the_27k_layout_with_its_parts_is_read_in_chunks(tmp_path):
    for part in (1, 2):
        rows = [log_row(user=n, time_ms=TEN + n) for n in range(part * 3000, part * 3000 + 2000)]
        write(tmp_path, f"log_standard_4_08_to_4_21_27k_part{part}.csv", LOG_HEADER, *rows)
    write(tmp_path, "user_features_27k.csv", ",".join(kuairand_profiles.USER_TYPES), user_row())
    write(tmp_path, "video_features_basic_27k_part1.csv", VIDEO_HEADER, "7,99,AD,2022-04-10,Web,0.0,,720,1280,5,,")
    source = kuairand.read(tmp_path, chunk_rows=500)

    sizes = Counter(table.name for table, _ in source.batches())

    assert source.dataset.name == "kuairand-27k"
    assert sizes["impressions"] > 2
    assert source.bytes_read == source.total_bytes


def test_the_statistics_file_is_never_read(official):
    write(official / "data", "video_features_statistic_pure.csv", "this,would,leak")

    assert all("statistic" not in part.path.name for part in kuairand.read(official).parts)


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("user_features_pure.csv", None, r"no user_features_\*\.csv"),
        ("log_standard_4_22_to_5_08_pure.csv", None, r"no log_\*\.csv"),
        ("log_standard_4_22_to_5_08_pure.csv", [], r"pure\.csv is empty \(0 bytes\)"),
        ("log_standard_4_22_to_5_08_pure.csv", [LOG_HEADER], r"pure\.csv has a header and no rows"),
        ("log_standard_4_22_to_5_08_pure.csv", [LOG_HEADER.replace("time_ms", "ms", 1)], "column 'time_ms' is missing"),
        (
            "log_standard_4_22_to_5_08_pure.csv",
            [LOG_HEADER, log_row(), log_row(duration="long")],
            r"pure\.csv: row 3, column 'duration_ms': invalid value 'long' \(wanted int64\)",
        ),
        ("log_standard_4_22_to_5_08_pure.csv", [LOG_HEADER, "1,2"], "row 2 has 2 cells where the header has 19"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_what_is_wrong(official, name, lines, message):
    path = official / "data" / name
    path.unlink() if lines is None else path.write_text("\n".join(lines))

    with pytest.raises(DataError, match=message):
        list(kuairand.read(official).batches())


def test_two_variants_in_one_folder_are_refused(official):
    write(official / "data", "log_standard_4_22_to_5_08_1k.csv", LOG_HEADER, log_row())

    with pytest.raises(DataError, match="files of 1k, pure"):
        kuairand.read(official)


def test_a_history_file_that_is_not_parquet_is_named(official):
    write(official / "data", "history_before_4_25.parquet", "not parquet")

    with pytest.raises(DataError, match=r"history_before_4_25\.parquet is not a parquet file"):
        kuairand.read(official)


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_a_folder_that_does_not_exist_is_named_with_what_to_give(tmp_path, source):
    with pytest.raises(DataError, match=r"nowhere does not exist: give --path"):
        SOURCES[source](tmp_path / "nowhere")
