import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from service.db.vectors import decode_vector, encode_text_array, encode_vector

FLOATS = st.floats(width=32, allow_nan=False)


@settings(deadline=None)
@given(st.lists(FLOATS, max_size=60))
def test_vectors_come_back_bit_for_bit(values: list[float]) -> None:
    vector = np.array(values, np.float32)
    assert decode_vector(encode_vector(vector)).tobytes() == vector.tobytes()


def texts_of(data: bytes) -> list[str]:
    """A one-dimensional `text[]` in PostgreSQL's binary form, read by its definition."""
    dimensions, has_nulls, oid = struct.unpack_from("!iii", data)
    assert (has_nulls, oid) == (0, 25)
    if dimensions == 0:
        return []
    length, lower_bound = struct.unpack_from("!ii", data, 12)
    assert (dimensions, lower_bound) == (1, 1)
    texts, at = [], 20
    for _ in range(length):
        (size,) = struct.unpack_from("!i", data, at)
        texts.append(data[at + 4 : at + 4 + size].decode())
        at += 4 + size
    assert at == len(data)
    return texts


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=5))
def test_texts_come_back_as_they_were(values: list[str]) -> None:
    assert texts_of(encode_text_array(tuple(values))) == values
