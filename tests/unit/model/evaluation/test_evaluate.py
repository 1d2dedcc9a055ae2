"""From vectors to a report: what is ranked, what is left out, what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from model.errors import EvaluationError
from model.evaluation.evaluate import evaluate
from model.evaluation.per_query import measure_queries
from model.evaluation.report import document
from tests.unit.model.evaluation.drawn import on_a_line, slices, vectors


def test_macro_labels_queries_and_first_neighbours_by_hand() -> None:
    queries, gallery = slices([0, 0, 1], prefix="Q"), slices([0, 1])

    report = evaluate(on_a_line(0, 0, 0), queries, on_a_line(1, 2), gallery, resamples=0)

    summary = report.summary
    assert summary.macro["average_precision"].value == pytest.approx(0.75)
    assert summary.over_queries["average_precision"].value == pytest.approx(2.5 / 3)
    assert summary.macro["precision_at_1"].chance == pytest.approx(0.5)
    assert [label.label for label in summary.labels] == ["glioma", "bleed"]
    assert (summary.labels[0].queries, summary.labels[0].gallery) == (2, 1)
    assert summary.first_neighbour == {
        "glioma": {"glioma": 2, "bleed": 0},
        "bleed": {"glioma": 1, "bleed": 0},
    }
    assert (summary.intervals, summary.macro["average_precision"].low) == ("none", None)


def test_the_querys_own_patient_is_left_out() -> None:
    made = slices([0, 0, 0, 1, 1], ["A", "A", "B", "C", "D"])
    places = on_a_line(0, 0, 5, 1, 2)

    found = measure_queries(places, made, places, made, own_group_left_out=True)

    # Of A's slices: bleeds at 1 and 2, then the only other glioma.
    assert found.of("average_precision")[0] == pytest.approx(1 / 3)
    assert found.neighbours[0].tolist() == [3, 4, 2, -1, -1]
    assert found.of("recall_at_10").tolist() == [1] * 5


def test_steps_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [n % 3 for n in range(40)]
    queries, gallery = slices(labels, prefix="Q"), slices(labels)
    asked, kept = vectors(labels, 1.0, 1), vectors(labels, 1.0, 2)

    whole = measure_queries(asked, queries, kept, gallery, own_group_left_out=False)
    monkeypatch.setattr("model.evaluation.per_query._CELLS_AT_ONCE", 120)
    stepwise = measure_queries(asked, queries, kept, gallery, own_group_left_out=False)

    np.testing.assert_allclose(whole.values, stepwise.values)
    np.testing.assert_array_equal(whole.neighbours, stepwise.neighbours)


def test_labels_narrow_queries_and_gallery() -> None:
    queries, gallery = slices([0, 1, 2], prefix="Q"), slices([0, 1, 2, 2])

    report = evaluate(
        vectors([0, 1, 2], 0), queries, vectors([0, 1, 2, 2], 0), gallery, labels=["bleed", "none"]
    )

    assert (report.queries, report.gallery) == (2, 3)
    assert [label.label for label in report.summary.labels] == ["bleed", "none"]


def test_a_report_is_json_without_single_queries() -> None:
    report = evaluate(
        vectors([0, 1], 0.1), slices([0, 1], prefix="Q"), vectors([0, 1], 0.1), slices([0, 1])
    )

    written = json.loads(json.dumps(document(report), allow_nan=False))

    assert "per_query" not in written
    assert written["summary"]["macro"]["average_precision"]["value"] == 1
    assert len(written["summary"]["labels"][0]["curve"]) == 21


def refused(queries: list[int], gallery: list[int], match: str, **options: object) -> None:
    with pytest.raises(EvaluationError, match=match):
        evaluate(
            vectors(queries, 0),
            slices(queries, prefix="Q"),
            vectors(gallery, 0),
            slices(gallery),
            **options,  # type: ignore[arg-type]
        )


def test_empty_sets_and_labels_are_refused() -> None:
    refused([], [0], "no slice to ask for")
    refused([0], [], "no slice to search")
    refused([0], [1], "no slice with the queries' label glioma")
    refused([0], [0], "no slice has the label bleed", labels=["bleed"])


def test_one_patient_only_is_refused() -> None:
    alone = slices([0, 0, 0], ["A", "A", "A"])
    with pytest.raises(EvaluationError, match="all slices are of one patient"):
        evaluate(on_a_line(1, 2, 3), alone, on_a_line(1, 2, 3), alone, own_group_left_out=True)


def test_a_label_of_one_patient_only_is_refused() -> None:
    made = slices([0, 0, 1, 1], ["A", "A", "B", "C"])
    with pytest.raises(EvaluationError, match="label glioma are of one patient"):
        evaluate(on_a_line(*range(4)), made, on_a_line(*range(4)), made, own_group_left_out=True)


def test_a_patient_on_both_sides_is_refused_and_not_named() -> None:
    queries, gallery = slices([0, 1], ["SECRET", "B"]), slices([0, 1], ["C", "SECRET"])
    with pytest.raises(EvaluationError, match="1 patients or series are among") as refusal:
        evaluate(on_a_line(1, 2), queries, on_a_line(1, 2), gallery)
    assert "SECRET" not in str(refusal.value)


def test_a_slice_of_a_patient_registered_twice_is_refused() -> None:
    """Under another patient ID it would find itself at distance 0, whatever the encoder."""
    queries, gallery = slices([0, 1], prefix="Q"), slices([0, 1], prefix="G")
    twice = replace(gallery, sop_instance_uids=np.array([queries.sop_instance_uids[0], "1.2.G.1"]))
    nameless = [replace(s, sop_instance_uids=np.array(["", ""])) for s in (queries, gallery)]

    evaluate(on_a_line(1, 2), nameless[0], on_a_line(1, 2), nameless[1], resamples=0)
    with pytest.raises(EvaluationError, match=r"1 slices .* at distance 0"):
        evaluate(on_a_line(1, 2), queries, on_a_line(1, 2), twice)


def test_leaving_out_the_own_patient_does_not_hide_a_slice_listed_under_two() -> None:
    made = slices([0, 0, 0, 1, 1], ["A", "B", "C", "D", "E"])
    twice = replace(made, sop_instance_uids=np.array(["1.1", "1.1", "1.3", "1.4", "1.5"]))
    same = replace(twice, groups=np.array(["A", "A", "C", "D", "E"]))
    places = on_a_line(*range(5))

    evaluate(places, same, places, same, own_group_left_out=True, resamples=0)
    with pytest.raises(EvaluationError, match=r"1 slices .* at distance 0"):
        evaluate(places, twice, places, twice, own_group_left_out=True)


def test_a_query_that_could_only_find_its_own_patient_is_refused() -> None:
    queries, gallery = slices([0, 0, 1], ["A", "B", "C"]), slices([0, 1], ["A", "D"])
    queries = replace(queries, sop_instance_uids=np.array(["1.7", "1.8", "1.9"]))

    with pytest.raises(EvaluationError, match="label glioma are of one patient"):
        evaluate(on_a_line(1, 2, 3), queries, on_a_line(1, 2), gallery, own_group_left_out=True)


def test_vectors_that_do_not_fit_are_refused() -> None:
    queries, gallery = slices([0], prefix="Q"), slices([0])
    good = np.ones((1, 2))
    for asked, kept, match in (
        (np.ones((2, 2)), good, "2 and 1 vectors do not fit 1 queries"),
        (np.ones((1, 3)), good, "different lengths"),
        (np.ones(1), good, "different lengths"),
        (np.full((1, 2), np.nan), good, "NaN"),
        (good, np.full((1, 2), np.inf), "NaN or infinity"),
    ):
        with pytest.raises(EvaluationError, match=match):
            evaluate(asked, queries, kept, gallery)


def test_labels_numbered_differently_are_refused() -> None:
    gallery = replace(slices([0]), label_names=("bleed", "glioma", "none"))
    with pytest.raises(EvaluationError, match="number their labels differently"):
        evaluate(np.ones((1, 2)), slices([0], prefix="Q"), np.ones((1, 2)), gallery)
