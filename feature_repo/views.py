"""Feature views, made from the catalogue: snapshots of members and media, and two computed at the request."""

import entities
import pandas as pd
import sources
from feast import Entity, FeatureView, Field
from feast.data_source import DataSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Float32, Float64, String

from pipelines.core import packing
from pipelines.features import catalogue, freshness, stream

TYPES = {"float": Float64, "string": String, "floats": Array(Float32), "strings": Array(String)}
PACKED = dict(zip(packing.COLUMNS, (Array(Float64), Array(String), Array(Float32)), strict=True))
FEATURES = catalogue.features(sources.lake.dataset)


def fields(view: str) -> list[Field]:
    """The columns of a view."""
    return [
        Field(
            name=f.name,
            dtype=TYPES[f.dtype],
            description=f.meaning,
            tags={"unit": f.unit, "kind": f.kind},
        )
        for f in FEATURES
        if f.view == view
    ]


def bare(view: str) -> list[Field]:
    """The columns of a computed view: Feast compares them whole with those it infers, which have no description."""
    return [Field(name=f.name, dtype=f.dtype) for f in fields(view)]


def snapshots(
    view: str, entity: Entity, *, online: bool = False, grain: str = "day", source: DataSource | None = None
) -> FeatureView:
    """A view whose latest row at or before a moment holds at that moment; daily ones stand at the starts of days."""
    return FeatureView(
        name=view,
        entities=[entity],
        ttl=freshness.limit(view),
        schema=[Field(name=entity.join_key, dtype=String), *fields(view)],
        source=source or sources.snapshots(view),
        online=online,
        tags={"grain": grain, "owner": "features"},
        owner="features",
    )


def online_row() -> FeatureView:
    """Every member view that is refreshed by day in one row of arrays, for serving; its tags say what stands where.

    It has no source: FeatureStore.materialize makes its rows of the snapshots of those views.
    """
    daily = [f for f in FEATURES if f.view in catalogue.USER_VIEWS and f.view != stream.VIEW]
    layout = packing.Layout(tuple((f.view, f.name, f.dtype) for f in daily))
    return FeatureView(
        name="user_online",
        entities=[entities.user],
        ttl=freshness.FOREVER,
        schema=[Field(name="user_id", dtype=String), *(Field(name=n, dtype=t) for n, t in PACKED.items())],
        online=True,
        tags={"layout": layout.text, "zone": sources.lake.dataset.time_zone, "owner": "features"},
        owner="features",
    )


user_attributes = snapshots("user_attributes", entities.user)
user_activity = snapshots("user_activity", entities.user)
user_genres = snapshots("user_genres", entities.user)
user_tastes = snapshots("user_tastes", entities.user)
user_recent = snapshots("user_recent", entities.user, online=True, grain="event", source=sources.user_recent_push)
user_online = online_row()
media_profile = snapshots("media_profile", entities.media)
media_text = snapshots("media_text", entities.media)
media_popularity = snapshots("media_popularity", entities.media)
media_creator = snapshots("media_creator", entities.media)
media_audience = snapshots("media_audience", entities.media)
media_distributor = snapshots("media_distributor", entities.media)


@on_demand_feature_view(
    name=catalogue.CONTEXT,
    sources=[sources.request, user_attributes, user_recent],
    schema=bare(catalogue.CONTEXT),
    mode="pandas",
)
def context(rows: pd.DataFrame) -> pd.DataFrame:
    """The moment of the request. Feast rebuilds this function from its text: it may use no name of this module."""
    from pipelines.features import on_demand

    return on_demand.context(rows)


@on_demand_feature_view(
    name=catalogue.CROSS,
    sources=[
        sources.request,
        user_attributes,
        user_activity,
        user_genres,
        user_tastes,
        user_recent,
        media_profile,
        media_text,
        media_audience,
    ],
    schema=bare(catalogue.CROSS),
    mode="pandas",
)
def cross(rows: pd.DataFrame) -> pd.DataFrame:
    """The member against the media, by the same function that training and serving call."""
    from pipelines.features import on_demand

    return on_demand.cross(rows)
