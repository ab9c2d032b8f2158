"""What the towers learn from: watches in the order that they happened, each with what was known before it."""

from dataclasses import dataclass
from datetime import datetime
from itertools import chain

import numpy as np
import pyarrow as pa

from pipelines.candidates.top import codes_of
from pipelines.candidates.tower_inputs import (
    SEEN_BY,
    Bags,
    bags,
    codes_from_one,
    media_words,
    member_words,
    vocabulary_of,
)
from pipelines.core.contracts import DEVICE, MEMBER, Codes, Floats, Ids, Interactions
from pipelines.core.tables import USER


@dataclass(frozen=True)
class Examples:
    """n watches by member, each member's in the order that they happened: the rows before one are its history.

    media: (n,) codes. begin: (n,) where the rows of the row's member begin. member: (n,) number of the row's member.
    chance: (n,) how likely a watch is to be drawn, sums to 1. weight: (n,) how much it counts.
    media_words: of each media of the catalogue. member_words: of each member. device_words: of each watch.
    length_words: (l + 1,) codes of the lengths of a history. vocabulary: (v,) the words of members and requests.
    """

    media: Codes
    begin: Codes
    member: Codes
    chance: Floats
    weight: Floats
    media_words: Bags
    member_words: Bags
    device_words: Bags
    length_words: Codes
    vocabulary: Ids

    def shares(self) -> Floats:
        """(size,) how likely each media of the catalogue is to be drawn; float64."""
        return np.bincount(self.media, self.chance, minlength=len(self.media_words.codes))

    def popularity(self) -> Floats:
        """(size,) float32 logs of the shares, less their mean; 0 for a media that nobody watched."""
        shares = self.shares()
        logs = np.log(shares, where=shares > 0, out=np.zeros(len(shares)))
        return np.where(shares > 0, logs - logs.sum() / max(1, np.count_nonzero(shares)), 0).astype(np.float32)


def examples(
    interactions: Interactions, *, as_of: datetime, seed: int, history: int, most_words: int, half_life_days: float
) -> Examples:
    """Those of media in the catalogue. What a member watched at one moment has no order: one is drawn by ``seed``."""
    code = codes_of(interactions.catalogue)
    media = np.array([code.get(one, -1) for one in interactions.media.tolist()], dtype=np.int64)
    members, member = np.unique(interactions.users.astype(str), return_inverse=True)
    drawn = np.random.default_rng(seed).random(len(media))
    order = np.lexsort((drawn, interactions.at, member))
    order = order[media[order] >= 0]
    member = member[order].astype(np.int64)
    devices = [None] * len(order) if interactions.device is None else interactions.device[order].tolist()
    said = [member_words(known, None) for known in _known_of(members, interactions.member_table)]
    held = [member_words({DEVICE: device}, None) for device in devices]
    lengths = [member_words({}, length) for length in range(history + 1)]
    vocabulary = vocabulary_of(chain(said, held, lengths), most_words)
    codes = codes_from_one(vocabulary)
    age = (np.datetime64(as_of.replace(tzinfo=None), "us") - interactions.at[order]) / np.timedelta64(1, "D")
    chance = 0.5 ** (age / half_life_days)
    return Examples(
        media=media[order],
        begin=np.searchsorted(member, member),
        member=member,
        chance=chance / max(chance.sum(), 1e-30),
        weight=interactions.weight[order].astype(np.float32),
        media_words=_media_bags(interactions, most_words),
        member_words=bags(said, codes),
        device_words=bags(held, codes),
        length_words=bags(lengths, codes).codes[:, 0],
        vocabulary=vocabulary,
    )


def _media_bags(interactions: Interactions, most_words: int) -> Bags:
    words = media_words(interactions.media_table, len(interactions.catalogue))
    return bags(words, codes_from_one(vocabulary_of(words, most_words, SEEN_BY)))


def _known_of(members: Ids, table: pa.Table | None) -> list[dict[str, object]]:
    """What the table says of each member; nothing of one that it lacks."""
    if table is None:
        return [{} for _ in members]
    names = [name for name in MEMBER if name in table.column_names]
    columns = [table[name].to_pylist() for name in names]
    place_of = {user: place for place, user in enumerate(table[USER.name].to_pylist())}
    places = [place_of.get(member) for member in members.tolist()]
    return [{} if row is None else {n: c[row] for n, c in zip(names, columns, strict=True)} for row in places]
