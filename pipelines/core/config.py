"""The parent of every stage's settings: typed, frozen, unknown keys refused."""

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Subclass it above the class it configures."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
