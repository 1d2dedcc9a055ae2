"""Whatever is handed to preprocessing, a finite square picture in 0..1 comes back."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from model.intensity import percentiles
from model.preprocess import PreprocessConfig, prepare

CONFIG = PreprocessConfig(size=32)
MODALITIES = st.sampled_from(["CT", "MR", "PT", ""])
DTYPES = st.sampled_from(
    [np.float16, np.float32, np.float64, np.uint8, np.int16, np.uint16, np.int32, np.bool_]
)
PICTURES = DTYPES.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=2, max_side=70))
)
FINITE = {"allow_nan": False, "allow_infinity": False}
COSINES = st.one_of(st.floats(), st.sampled_from([-1.0, 0.0, 1.0]))
ORIENTATIONS = st.none() | st.lists(COSINES, max_size=7).map(tuple)
SPACINGS = st.none() | st.tuples(st.floats(), st.floats())


@settings(deadline=None)
@given(PICTURES, MODALITIES, ORIENTATIONS, SPACINGS)
def test_any_picture_becomes_finite_and_square(
    pixels: NDArray[np.float32],
    modality: str,
    orientation: tuple[float, ...] | None,
    spacing: tuple[float, float] | None,
) -> None:
    prepared = prepare(
        pixels, modality=modality, config=CONFIG, orientation=orientation, spacing=spacing
    )

    assert prepared.shape == (32, 32)
    assert prepared.dtype == np.float32
    assert np.isfinite(prepared).all()
    assert prepared.min() >= 0
    assert prepared.max() <= 1


@settings(deadline=None)
@given(PICTURES, MODALITIES)
def test_the_input_is_left_alone_and_the_result_repeats(
    pixels: NDArray[np.float32], modality: str
) -> None:
    before = pixels.copy()
    first = prepare(pixels, modality=modality, config=CONFIG)

    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(prepare(pixels, modality=modality, config=CONFIG), first)


@settings(deadline=None)
@given(
    hnp.arrays(np.float32, st.integers(1, 200), elements=st.floats(width=32, **FINITE)),
    st.lists(st.floats(0, 100), min_size=1, max_size=4),
)
def test_percentiles_are_those_of_numpy(values: NDArray[np.float32], shares: list[float]) -> None:
    with np.errstate(over="ignore"):
        assert percentiles(values, shares) == np.percentile(values, shares).tolist()
