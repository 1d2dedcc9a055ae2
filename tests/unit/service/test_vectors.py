import struct

import numpy as np

from service.db.vectors import decode_vector, encode_text_array, encode_vector


def test_a_vector_has_its_dimension_in_front_and_is_big_endian() -> None:
    data = encode_vector(np.array([1.0, -2.5], np.float32))
    assert data == struct.pack("!hhff", 2, 0, 1.0, -2.5)


def test_a_vector_comes_back_as_it_was() -> None:
    values = np.random.default_rng(1).normal(size=2000).astype(np.float32)
    found = decode_vector(memoryview(encode_vector(values)))
    assert found.dtype == np.float32
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, values)


def test_a_vector_of_another_type_is_written_as_float32() -> None:
    assert encode_vector(np.arange(3)) == encode_vector(np.arange(3).astype(np.float32))  # type: ignore[arg-type]


def test_no_labels_are_an_array_without_dimensions() -> None:
    assert encode_text_array(()) == struct.pack("!iii", 0, 0, 25)
