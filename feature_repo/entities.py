"""What features are about."""

from feast import Entity
from feast.value_type import ValueType

user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING, description="a member")
media = Entity(
    name="media",
    join_keys=["media_id"],
    value_type=ValueType.STRING,
    description="a film, an episode, a product, a pin",
)
