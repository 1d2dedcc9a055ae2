"""The made-up slices that searching is measured on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.errors import BenchmarkError
from benchmarks.query.answers import K, find_truth
from benchmarks.query.brute import BruteForce, on_coordinates
from benchmarks.query.fit import fit
from benchmarks.query.recipe import Recipe, load, save
from benchmarks.query.slices import (
    COMMON,
    RARE,
    SCARCE,
    SLICES_PER_PATIENT,
    MadeUpSlices,
    make_up,
    maker_of,
)
from model.checkpoint import default_checkpoint
from model.manifest import ManifestRow


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load()


@pytest.fixture(scope="module")
def slices(recipe: Recipe) -> MadeUpSlices:
    return make_up(3000, recipe)


def test_the_recipe_is_of_the_encoder_that_ships(recipe: Recipe) -> None:
    assert recipe.encoder == default_checkpoint().stem


def test_a_longer_list_begins_as_a_shorter_one(slices: MadeUpSlices, recipe: Recipe) -> None:
    fewer = make_up(100, recipe)
    assert np.array_equal(slices.coordinates[:100], fewer.coordinates)
    assert len(fewer) == 100


def test_slices_are_of_unit_length_and_both_modalities(slices: MadeUpSlices) -> None:
    assert np.allclose(np.linalg.norm(slices.coordinates, axis=1), 1, atol=1e-6)
    share = slices.of_modality("MR").mean()
    assert 0.2 < share < 0.8
    assert slices.of_modality("CT").mean() == pytest.approx(1 - share)


def test_makers_keep_a_twentieth_and_a_two_hundredth(recipe: Recipe) -> None:
    many = replace(make_up(1, recipe), coordinates=np.empty((60_000, 1), np.float32))
    assert many.of_maker(SCARCE).mean() == pytest.approx(0.05)
    assert many.of_maker(RARE).mean() == pytest.approx(0.005)
    for maker in (SCARCE, RARE):
        patients = np.unique(many.patients()[many.of_maker(maker)])
        assert {maker_of(patient) for patient in patients} == {maker}
    assert maker_of(2) == COMMON


def test_a_series_is_a_path_and_patients_lie_apart(recipe: Recipe) -> None:
    slices = make_up(500 * SLICES_PER_PATIENT, recipe)
    firsts = np.arange(0, len(slices), SLICES_PER_PATIENT)
    ct = firsts[slices.of_modality("CT")[firsts]]

    def apart(some: NDArray[np.int64], others: NDArray[np.int64]) -> float:
        between = slices.coordinates[some] - slices.coordinates[others]
        return float(np.median(np.linalg.norm(between, axis=1)))

    assert apart(ct, ct + 1) < apart(ct, ct + 15) < apart(ct, np.roll(ct, 1))


def test_the_fitted_spread_is_that_of_the_slices(recipe: Recipe) -> None:
    many = make_up(300 * SLICES_PER_PATIENT, recipe)
    row = ManifestRow(Path("1"), "1", "1", "1", "MR", "any", 1)
    rows = [
        replace(
            row,
            patient_id=str(many.patient(n)),
            modality=many.disease(n).modality,
            label=many.disease(n).label,
        )
        for n in range(len(many))
    ]
    fitted = fit("again", many.coordinates, rows)
    (ours,) = (one for one in fitted.diseases if one.modality == "CT")
    (theirs,) = (one for one in recipe.diseases if one.modality == "CT")
    assert np.linalg.norm(ours.mean - theirs.mean) < 0.02
    spread = (ours.slices.factors**2).sum() / (theirs.slices.factors**2).sum()
    assert 0.7 < spread < 1.3


def test_a_label_of_few_patients_is_left_out(slices: MadeUpSlices) -> None:
    row = ManifestRow(Path("1"), "1", "1", "one patient", "MR", "rare", 1)
    with pytest.raises(BenchmarkError, match="no label"):
        fit("none", slices.coordinates[:3], [row, row, row])


def test_a_recipe_survives_its_file(recipe: Recipe, tmp_path: Path) -> None:
    save(recipe, tmp_path / "kept.npz")
    again = load(tmp_path / "kept.npz")
    assert again.encoder == recipe.encoder
    assert [one.label for one in again.diseases] == [one.label for one in recipe.diseases]
    assert np.array_equal(again.diseases[0].patients.factors, recipe.diseases[0].patients.factors)


def test_a_missing_recipe_is_told(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="cannot be read"):
        load(tmp_path / "none.npz")


def test_brute_force_finds_what_is_right(slices: MadeUpSlices) -> None:
    queries = np.array([0, 61, 2999])
    truth = find_truth(slices, queries, None, other_patients=True)
    search = on_coordinates(slices)
    answers = {query: search(query) for query in queries.tolist()}
    assert truth.recall(answers) == 1.0
    assert truth.lacking(answers) == truth.wrong(answers) == 0


def test_a_matrix_in_parts_is_read_as_often_as_makes_it_whole(slices: MadeUpSlices) -> None:
    whole = on_coordinates(slices)
    third = BruteForce(whole.vectors[:1000], whole.squared_lengths[:1000], whole.patients[:1000], 3)
    assert whole.is_whole
    assert not third.is_whole
    assert len(third(2500)) == K


def test_the_truth_knows_filters_patients_and_what_is_missing(slices: MadeUpSlices) -> None:
    passing = slices.of_maker(RARE)
    query = int(np.flatnonzero(passing)[0])
    truth = find_truth(slices, np.array([query, 100]), passing, other_patients=True)
    # All that pass are of one patient, the first query's own.
    assert truth.counts == {query: 0, 100: K}
    assert truth.recall({100: []}) == 0.0
    assert truth.lacking({100: []}) == 1
    assert truth.wrong({100: [100, 101, 2000]}) == 3
