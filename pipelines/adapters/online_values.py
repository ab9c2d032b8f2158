"""Feast's protobuf bytes, made a column at a time: what its writer makes a value at a time, equal to the last byte.

Tests hold each against Feast's own messages. A list's bytes are a head that depends on its length alone, and its
values as Arrow has them in memory.
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

Encoded = tuple[int, dict[str, bytes]]
"""A row: its time in microseconds since 1970, and its values as bytes by name."""

Columns = Mapping[str, Sequence[bytes]]
"""Feature -> a value a row, as bytes."""

EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
DOUBLE, STRINGS, DOUBLES, FLOATS = 5, 12, 15, 16
"""Numbers of Feast's fields: feast/types/Value.proto."""
LENGTH_DELIMITED, FIXED64 = 2, 1
STRING_TYPE = 2
"""Feast's ValueType.STRING, in keys."""


SMALL = [bytes([number]) for number in range(0x80)]


def varint(number: int) -> bytes:
    """Protobuf's coding of a whole number, seven bits a byte, the lowest first."""
    if number <= 0x7F:
        return SMALL[number]
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _tag(field: int, kind: int = LENGTH_DELIMITED) -> bytes:
    return varint(field << 3 | kind)


def _message(field: int, content: bytes) -> bytes:
    return _tag(field) + varint(len(content)) + content


def keys(name: str, ids: Iterable[str]) -> list[bytes]:
    """Feast's entity keys (version 3) of an entity with one key column of strings."""
    column = name.encode()
    head = struct.pack("<III", 1, STRING_TYPE, len(column)) + column + struct.pack("<I", STRING_TYPE)
    return [head + struct.pack("<I", len(key)) + key for key in (one.encode() for one in ids)]


def key_of_feast(config: Any, key: Any) -> bytes:
    """The bytes of an entity key as Feast holds it."""
    from feast.infra.key_encoding_utils import serialize_entity_key

    return bytes(serialize_entity_key(key, config.entity_key_serialization_version))


def of_feast(config: Any, data: Sequence[Any]) -> tuple[list[bytes], list[int], dict[str, list[bytes]]]:
    """Keys, times in microseconds and the values by feature, of the rows that Feast gives to be written.

    Of rows of one key the last in time comes last.
    """
    rows = sorted(((_micros(at), entity, row) for entity, row, at, _ in data), key=lambda one: one[0])
    names = list(rows[0][2]) if rows else []
    encoded = {name: [row[name].SerializeToString() for _, _, row in rows] for name in names}
    return [key_of_feast(config, entity) for _, entity, _ in rows], [at for at, _, _ in rows], encoded


def _micros(moment: datetime) -> int:
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) // MICROSECOND


def moment(micros: int) -> bytes:
    """google.protobuf.Timestamp."""
    seconds, rest = divmod(micros, 1_000_000)
    found = b"\x08" + varint(seconds) if seconds else b""
    return found + (b"\x10" + varint(rest * 1000) if rest else b"")


def micros_of(stamp: bytes) -> int:
    """Microseconds since 1970 of a google.protobuf.Timestamp."""
    found, place = {1: 0, 2: 0}, 0
    while place < len(stamp):
        field, value, shift = stamp[place] >> 3, 0, 0
        while True:
            place += 1
            value, shift = value | (stamp[place] & 0x7F) << shift, shift + 7
            if stamp[place] < 0x80:
                break
        found[field], place = value, place + 1
    return found[1] * 1_000_000 + found[2] // 1000


def values(column: pa.Array) -> list[bytes]:
    """Each value as Feast's Value; a null is no bytes. column: float64, list<float64>, list<float32>, list<string>."""
    for type_, encode in ENCODERS.items():
        if column.type.equals(type_):
            return encode(column)
    raise TypeError(f"no encoding for a column of {column.type}: cast it to one of {', '.join(map(str, ENCODERS))}")


def _doubles(column: pa.Array) -> list[bytes]:
    head, raw = _tag(DOUBLE, FIXED64), np.asarray(column.fill_null(0.0)).tobytes()
    there = column.is_valid().to_pylist()
    return [head + raw[8 * n : 8 * n + 8] if valid else b"" for n, valid in enumerate(there)]


def _arrays(field: int, width: int) -> Callable[[pa.Array], list[bytes]]:
    heads: dict[int, bytes] = {}

    def head(length: int) -> bytes:
        inner = _tag(1) + varint(width * length) if length else b""
        found = heads[length] = _tag(field) + varint(len(inner) + width * length) + inner
        return found

    def encode(column: pa.Array) -> list[bytes]:
        raw, edges = np.asarray(column.flatten()).tobytes(), _edges(column)
        there = column.is_valid().to_pylist()
        found = []
        for valid, start, end in zip(there, edges, edges[1:], strict=False):
            length = end - start
            known = heads.get(length) or head(length)
            found.append(known + raw[width * start : width * end] if valid else b"")
        return found

    return encode


def _texts(column: pa.Array) -> list[bytes]:
    words = column.flatten().dictionary_encode()
    coded = [_message(1, word.encode()) for word in words.dictionary.to_pylist()]
    flat = [coded[code] for code in words.indices.to_pylist()]
    edges, there, outer = _edges(column), column.is_valid().to_pylist(), _tag(STRINGS)
    found = []
    for valid, start, end in zip(there, edges, edges[1:], strict=False):
        content = b"".join(flat[start:end])
        found.append(outer + varint(len(content)) + content if valid else b"")
    return found


def _edges(column: pa.Array) -> list[int]:
    """Where each list begins among the flattened values, which leave out those of nulls; and where the last ends."""
    lengths = np.asarray(column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)
    return [0, *np.cumsum(lengths).tolist()]


ENCODERS: dict[Any, Callable[[pa.Array], list[bytes]]] = {
    pa.float64(): _doubles,
    pa.list_(pa.float64()): _arrays(DOUBLES, 8),
    pa.list_(pa.float32()): _arrays(FLOATS, 4),
    pa.list_(pa.string()): _texts,
}
