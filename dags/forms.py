"""The trigger forms' fields: typed, described, checked by Airflow before a run starts."""

from airflow.sdk import Param

MOST = 500
"""Characters of a reason or a name."""


def day(meaning: str) -> Param:
    """An optional day."""
    return Param(None, type=["null", "string"], format="date", description=f"{meaning} Leave empty for the default.")


def count(default: int | None, minimum: int, maximum: int, meaning: str) -> Param:
    """A whole number within bounds; optional where the default is None."""
    kind = "integer" if default is not None else ["null", "integer"]
    return Param(default, type=kind, minimum=minimum, maximum=maximum, description=meaning)


def choice(default: str, options: list[str], meaning: str) -> Param:
    """One of the named options."""
    return Param(default, type="string", enum=options, description=meaning)


def fields(meaning: str) -> Param:
    """Values by name, as JSON; may be left empty."""
    return Param(None, type=["null", "object"], description=meaning)


def switch(meaning: str) -> Param:
    """Off unless ticked."""
    return Param(False, type="boolean", description=meaning)


def text(meaning: str) -> Param:
    """Words; may be left empty."""
    return Param(None, type=["null", "string"], maxLength=MOST, description=meaning)


def words(meaning: str) -> Param:
    """Words that must be given: no run starts without them."""
    return Param(None, type="string", minLength=3, maxLength=MOST, pattern=r"\S", description=meaning)
