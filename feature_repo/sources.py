"""Where features come from: the lake's snapshot tables, and the request itself."""

from functools import cache

from feast import Field, FileSource, PushSource, RequestSource
from feast.data_format import ParquetFormat
from feast.types import Float64, String

from pipelines.core import settings
from pipelines.core.lake import DATA, Lake
from pipelines.features.job import table_of

lake = Lake(settings.load().lake_path)


@cache
def snapshots(view: str) -> FileSource:
    """The daily snapshots of a view: usable from their event time on, and known from then."""
    return FileSource(
        name=f"{view}_snapshots",
        path=str(lake.root / table_of(view) / "day=*" / DATA),
        file_format=ParquetFormat(),
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
        description=f"lake table {table_of(view)}, one file a day",
    )


user_recent_push = PushSource(
    name="user_recent_push",
    batch_source=snapshots("user_recent"),
    description="what a member did lately, pushed by the API as it happens; the lake holds its history",
)

request = RequestSource(
    name="request",
    schema=[
        Field(name="requested_at", dtype=Float64, description="unix seconds"),
        Field(name="zone", dtype=String, description="the data set's time zone, for members without one of their own"),
        Field(name="device", dtype=String, description="what the member holds"),
        Field(name="country", dtype=String, description="where the member is; the member's own country where absent"),
        Field(name="surface", dtype=String, description="where the titles are shown"),
    ],
    description="what a request brings along",
)
