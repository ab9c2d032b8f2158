"""What models ask for."""

import views
from feast import FeatureService

ranking = FeatureService(
    name="ranking",
    features=[
        views.user_attributes,
        views.user_activity,
        views.user_genres,
        views.user_tastes,
        views.user_recent,
        views.media_profile,
        views.media_text,
        views.media_popularity,
        views.media_creator,
        views.media_audience,
        views.media_distributor,
        views.context,
        views.cross,
    ],
    description="every feature of a member, a media and a request",
)
user_online = FeatureService(
    name="user_online",
    features=[views.user_online, views.user_recent],
    description="a member's row, read online when a page is asked for",
)
