"""Bytes made a column at a time against Feast's own messages made a value at a time."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.adapters import feast_client, online_values

feast_client.import_feast()

FLOATS, DOUBLES, STRINGS = "float_list_val", "double_list_val", "string_list_val"
WORDS = st.text(max_size=200)


def feasts(field, value):
    from feast.protos.feast.types.Value_pb2 import Value

    message = Value()
    if value is None:
        return b""
    if field.endswith("_list_val"):
        found = getattr(message, field)
        found.SetInParent()
        found.val.extend(value)
    else:
        setattr(message, field, value)
    return message.SerializeToString(deterministic=True)


def nullable(values):
    return st.lists(st.none() | values, max_size=8)


@given(nullable(st.floats(allow_nan=True)))
def test_doubles_are_feasts(values):
    found = online_values.values(pa.array(values, pa.float64()))
    assert found == [feasts("double_val", v) for v in values]


@given(nullable(st.lists(st.floats(width=32), max_size=40)))
def test_lists_of_floats_are_feasts(values):
    found = online_values.values(pa.array(values, pa.list_(pa.float32())))
    assert found == [feasts(FLOATS, v) for v in values]


@given(nullable(st.lists(st.floats(), max_size=40)))
def test_lists_of_doubles_are_feasts(values):
    found = online_values.values(pa.array(values, pa.list_(pa.float64())))
    assert found == [feasts(DOUBLES, v) for v in values]


@given(nullable(st.lists(WORDS.filter(lambda w: w.isprintable()), max_size=6)))
def test_lists_of_words_are_feasts(values):
    found = online_values.values(pa.array(values, pa.list_(pa.string())))
    assert found == [feasts(STRINGS, v) for v in values]


def test_a_slice_of_a_column_is_encoded_as_if_it_were_alone():
    column = pa.array([[1.0], None, [2.0, 3.0], [4.0]], pa.list_(pa.float64()))
    assert online_values.values(column.slice(1, 2)) == [b"", feasts(DOUBLES, [2.0, 3.0])]


@given(st.integers(0, 2**52))
def test_moments_are_those_of_protobuf_and_come_back(micros):
    from google.protobuf.timestamp_pb2 import Timestamp

    stamp = Timestamp()
    stamp.FromMicroseconds(micros)
    assert online_values.moment(micros) == stamp.SerializeToString()
    assert online_values.micros_of(online_values.moment(micros)) == micros


@settings(max_examples=30)
@given(WORDS.filter(lambda w: w.isprintable()))
def test_keys_are_feasts(user_id):
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    key = EntityKey(join_keys=["user_id"], entity_values=[Value(string_val=user_id)])
    assert online_values.keys("user_id", [user_id]) == [serialize_entity_key(key, 3)]


def test_a_type_that_feast_would_hold_otherwise_is_refused():
    with pytest.raises(TypeError, match="no encoding for a column of int64: cast it to one of double"):
        online_values.values(pa.array([1]))
