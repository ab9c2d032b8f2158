"""Feast's Redis online store, mended: the newest row wins in one step of the server, however many write at once.

Feast loads this module by the name in profiles/production.yaml. Its own Redis store asks for the stored time first and
writes afterwards: what is pushed in between, a nightly load overwrites with yesterday's row.
"""

from collections.abc import Callable, Sequence
from itertools import chain, islice
from typing import Any, Literal

from feast.infra.online_stores.helpers import _mmh3, compute_versioned_name
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig

from pipelines.adapters import online_values
from pipelines.adapters.online_values import Columns, Encoded

AT_ONCE, TOGETHER = 2_000, 50
"""Rows in one round trip, and in one step of the server, which answers nobody else meanwhile: half a millisecond."""

WRITE_UNLESS_OLDER = """
local function read(stamp)
  local found, place = {0, 0}, 1
  while place <= #stamp do
    local field, value, factor = math.floor(stamp:byte(place) / 8), 0, 1
    repeat
      place = place + 1
      local seven = stamp:byte(place)
      value, factor = value + seven % 128 * factor, factor * 128
    until seven < 128
    found[field], place = value, place + 1
  end
  return found[1], found[2]
end
local function older(stamp, stored)
  if not stored or stored == stamp then return false end
  local seconds, nanos = read(stored)
  local new_seconds, new_nanos = read(stamp)
  return seconds > new_seconds or (seconds == new_seconds and nanos > new_nanos)
end
local width = tonumber(ARGV[1])
for number, key in ipairs(KEYS) do
  local start = 1 + width * number
  if not older(ARGV[start + 1], redis.call('HGET', key, ARGV[2])) then
    local row = {}
    for n = 1, width do
      row[2 * n - 1], row[2 * n] = ARGV[1 + n], ARGV[start + n]
    end
    redis.call('HSET', key, unpack(row))
  end
end
return #KEYS
"""
"""KEYS: the members' hashes. ARGV: how many fields a row has, their names, then each row's values: its time first, a
google.protobuf.Timestamp."""


class NewestRedisOnlineStoreConfig(RedisOnlineStoreConfig):  # type: ignore[misc]
    """Feast's settings of a Redis online store."""

    type: Literal["pipelines.adapters.online_redis.NewestRedisOnlineStore"] = (
        "pipelines.adapters.online_redis.NewestRedisOnlineStore"
    )


class NewestRedisOnlineStore(RedisOnlineStore):  # type: ignore[misc]
    """Feast's keys and values: a hash a member, a field a feature, and one for the time of each view's row."""

    def online_write_batch(
        self, config: Any, table: Any, data: Sequence[Any], progress: Callable[[int], Any] | None
    ) -> None:
        """Write Feast's rows, each unless the store holds a newer one."""
        self.write(config, table, *online_values.of_feast(config, data))
        if progress:
            progress(len(data))

    def write(
        self,
        config: Any,
        table: Any,
        keys: Sequence[bytes],
        micros: Sequence[int],
        values: Columns,
    ) -> None:
        """Write rows whose keys and values are Feast's bytes already, each unless the store holds a newer one.

        micros: (n,) the times of the rows, microseconds since 1970. values: feature -> (n,) values.
        """
        client, store = self._get_client(config.online_store), config.online_store
        script = client.script_load(WRITE_UNLESS_OLDER)
        project, stamps = config.project.encode(), {at: online_values.moment(at) for at in set(micros)}
        fields = _fields(config, table, values)
        rows = [(stamps[at], *row) for at, row in zip(micros, zip(*values.values(), strict=True), strict=True)]
        for first in range(0, len(rows), AT_ONCE):
            with client.pipeline(transaction=False) as pipe:
                for start in range(first, min(first + AT_ONCE, len(rows)), TOGETHER):
                    part = slice(start, start + TOGETHER)
                    own = [key + project for key in keys[part]]
                    pipe.evalsha(script, len(own), *own, len(fields), *fields, *chain.from_iterable(rows[part]))
                    if store.key_ttl_seconds:
                        for key in own:
                            pipe.expire(key, store.key_ttl_seconds)
                pipe.execute()

    def rows(self, config: Any, tables: Sequence[Any], keys: Sequence[bytes]) -> list[list[Encoded | None]]:
        """For each key, for each table, the row's time and the bytes of its values; in one round trip."""
        names = [[feature.name for feature in table.features] for table in tables]
        fields = [field for table, own in zip(tables, names, strict=True) for field in _fields(config, table, own)]
        with self._get_client(config.online_store).pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hmget(key + config.project.encode(), fields)
            answers = pipe.execute()
        return [_rows(iter(answer), names) for answer in answers]


def _fields(config: Any, table: Any, names: Any) -> list[Any]:
    """The fields of a view's row: its time's, then each feature's."""
    view = compute_versioned_name(table, config.registry.enable_online_feature_view_versioning)
    return [f"_ts:{view}", *(_mmh3(f"{view}:{name}") for name in names)]


def _rows(answer: Any, names: Sequence[Sequence[str]]) -> list[Encoded | None]:
    found: list[Encoded | None] = []
    for own in names:
        stamp, *values = islice(answer, 1 + len(own))
        row = dict(zip(own, values, strict=True))
        found.append(None if stamp is None else (online_values.micros_of(stamp), row))
    return found
