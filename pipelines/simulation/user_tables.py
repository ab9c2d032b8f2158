"""The members in print: the users table, and what each chose at onboarding."""

import numpy as np
import pyarrow as pa

from pipelines.core.tables import PREFERENCES, USERS
from pipelines.simulation.config import WorldConfig
from pipelines.simulation.events import table, where
from pipelines.simulation.geography import COUNTRIES, LANGUAGES, ZONES
from pipelines.simulation.members import GENDERS, Members
from pipelines.simulation.randomness import stream
from pipelines.simulation.vocabulary import GENRES

CHOICES = 5
SILENT = 0.04
"""Share of members who keep their age, and of those who keep their gender, to themselves."""


def users_table(config: WorldConfig, members: Members) -> pa.Table:
    """One row a member, those yet to join included: ``available_at`` says when each is known."""
    rng = stream(config.seed, "users")
    tells = rng.random((2, members.size)) > SILENT
    return table(
        USERS,
        {
            "user_id": members.ids(),
            "available_at": members.joined_at,
            "joined_at": members.joined_at,
            "age": where(tells[0], members.age.tolist()),
            "gender": where(tells[1], [GENDERS[g] for g in members.gender]),
            "language": np.array(LANGUAGES, dtype=object)[members.language],
            "country": np.array([c.code for c in COUNTRIES], dtype=object)[members.country],
            "time_zone": np.array(ZONES, dtype=object)[members.zone],
        },
    )


def preferences_table(config: WorldConfig, members: Members) -> pa.Table:
    """Five genres each, by the taste on the day of joining and some chance; one member in ten skips the question."""
    rng = stream(config.seed, "preferences")
    weeks = (members.joined_at - np.datetime64(config.start, "us")) / np.timedelta64(7, "D")
    chosen = members.liked_genres(np.arange(members.size), weeks, CHOICES, rng)
    answered = np.repeat(rng.random(members.size) > 0.1, CHOICES)
    who = np.repeat(np.arange(members.size), CHOICES)[answered]
    chosen_at = members.joined_at[who] + np.timedelta64(60, "s")
    return table(
        PREFERENCES,
        {
            "user_id": members.ids()[who],
            "kind": np.full(len(who), "genre", dtype=object),
            "value": np.array(GENRES, dtype=object)[chosen.ravel()[answered]],
            "chosen_at": chosen_at,
            "available_at": chosen_at,
        },
    )
