"""What is settled, and refused, before a slice is decoded."""

from dataclasses import replace

import numpy as np
import pytest

from model.checkpoint import hash_group
from model.errors import EvaluationError
from model.evaluation.facts import Slices
from model.evaluation.folds import Folds, listed_groups
from model.evaluation.plan import Plan, Request, make_plan, narrow_plan
from model.evaluation.protocols import PAPER_LABELS, splits
from model.manifest import ManifestRow
from tests.unit.model.evaluation.drawn import row, rows_of_folds
from tests.unit.model.made import info


def trained_on(rows: list[ManifestRow], *folds: int) -> tuple[str, ...]:
    return tuple({hash_group(row.patient_id) for row in rows if row.fold in folds})


def planned(rows: list[ManifestRow], *trained: int, **asked: object) -> Plan:
    request = Request(protocols=("folds",), **asked)  # type: ignore[arg-type]
    return make_plan(rows, trained_on(rows, *trained), request)


def test_what_was_not_trained_on_asks_and_what_was_is_searched() -> None:
    rows = rows_of_folds(1, 2, 3, 4)

    assert planned(rows, 1, 2, 3).folds == Folds((4,), (1, 2, 3), (1, 2, 3))
    assert planned(rows, 1, 2).folds == Folds((3, 4), (1, 2), (1, 2))
    assert planned(rows, 1, 2, gallery_folds=(1, 3)).folds == Folds((4,), (1, 3), (1,))


def test_of_a_foreign_list_the_last_fold_asks() -> None:
    rows = rows_of_folds(1, 2, 3)

    plan = make_plan(rows, ["0" * 16], Request(protocols=("folds",)))

    assert plan.folds == Folds((3,), (1, 2), ())
    assert "1, 2 never trained on" in plan.splits[0].notes[0]


def test_only_the_folds_that_take_part_are_decoded() -> None:
    rows = rows_of_folds(1, 2, 3, 4)

    plan = planned(rows, 1, 2, query_folds=(4,), gallery_folds=(1,))

    assert {row.fold for row in plan.rows} == {1, 4}


def test_queries_that_were_trained_on_are_refused_and_not_named() -> None:
    rows = rows_of_folds(1, 2, 3)
    listed = (*trained_on(rows, 1, 2), hash_group("glioma-3-0"))

    with pytest.raises(EvaluationError, match="trained on 1 of the 4 patients") as refusal:
        make_plan(rows, listed, Request(query_folds=(3,)))
    assert "glioma-3-0" not in str(refusal.value)


def test_an_encoder_that_saw_every_fold_is_refused() -> None:
    with pytest.raises(EvaluationError, match="trained on every fold"):
        planned(rows_of_folds(1, 2), 1, 2)


def test_a_checkpoint_without_a_list_needs_the_users_word() -> None:
    rows = rows_of_folds(1, 2, 3)

    with pytest.raises(EvaluationError, match="--trained-on-folds"):
        make_plan(rows, (), Request())
    assert planned(rows, trained_on_folds=(1, 2)).folds == Folds((3,), (1, 2), (1, 2))
    assert planned(rows, trained_on_folds=()).folds == Folds((3,), (1, 2), ())
    with pytest.raises(EvaluationError, match="trained on 4 of the 4"):
        planned(rows, trained_on_folds=(1, 2), query_folds=(2,))


def test_patient_keys_of_a_gallery_count_as_no_list() -> None:
    """Their hashes never match the patient ids of a list: every query would pass as new."""
    rows = rows_of_folds(1, 2, 3)
    made = replace(info(), trained_on=trained_on(rows, 1))
    keyed = replace(made, group_kind="patient_key")

    assert listed_groups(made) == trained_on(rows, 1)
    assert listed_groups(keyed) == ()
    with pytest.raises(EvaluationError, match="--trained-on-folds"):
        make_plan(rows, listed_groups(keyed), Request())


def test_a_plan_is_narrowed_to_what_could_be_read() -> None:
    rows, request = rows_of_folds(1, 2, 3), Request(protocols=("folds",))
    plan = make_plan(rows, trained_on(rows, 1, 2), request)
    kept = plan.rows[1:]

    narrow = narrow_plan(plan, kept, request)

    assert narrow_plan(plan, plan.rows, request) is plan
    assert (narrow.rows, narrow.folds) == (kept, plan.folds)
    for before, after in zip(plan.splits, narrow.splits, strict=True):
        numbers = after.queries.tolist(), after.gallery.tolist()
        assert [kept[n] for n in numbers[0]] == [plan.rows[n] for n in before.queries if n]
        assert [kept[n] for n in numbers[1]] == [plan.rows[n] for n in before.gallery if n]
    with pytest.raises(EvaluationError, match="no slice"):
        narrow_plan(plan, [row for row in rows if row.label == "glioma"][:1], request)


def test_the_users_word_adds_to_the_list() -> None:
    rows = rows_of_folds(1, 2, 3)

    assert planned(rows, 1, trained_on_folds=(2,)).folds.seen == (1, 2)


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"query_folds": (9,)}, "no fold 9; it has 1, 2"),
        ({"query_folds": ()}, "without a fold of queries"),
        ({"query_folds": (2,), "gallery_folds": (2, 1)}, "fold 2 cannot be queries and gallery"),
        ({"labels": ("glioma", "gliomma")}, "no slice has the label gliomma"),
    ],
)
def test_what_is_not_there_is_refused(asked: dict[str, object], match: str) -> None:
    with pytest.raises(EvaluationError, match=match):
        planned(rows_of_folds(1, 2), 1, **asked)


def test_labels_narrow_the_rows() -> None:
    plan = planned(rows_of_folds(1, 2), 1, labels=("glioma",))

    assert {row.label for row in plan.rows} == {"glioma"}


def test_a_gallery_without_the_queries_label_is_refused() -> None:
    rows = [*rows_of_folds(1, labels=("glioma",)), *rows_of_folds(2)]

    with pytest.raises(
        EvaluationError, match=r"folds, all labels: the gallery has no slice .* none"
    ):
        planned(rows, 1)


def test_one_patient_of_a_label_has_nobody_to_find_among_the_unseen() -> None:
    rows = [*rows_of_folds(1, 2), row("lonely", "bleed", 1), row("other", "bleed", 2)]

    assert planned(rows, 1).splits
    with pytest.raises(EvaluationError, match=r"unseen, .* label bleed are of one patient"):
        make_plan(rows, trained_on(rows, 1), Request(protocols=("unseen",)))


def test_one_patient_in_all_is_refused() -> None:
    rows = [row("only", "glioma", 1, slice_=n) for n in range(3)]

    with pytest.raises(EvaluationError, match="all slices are of one patient"):
        make_plan(rows, (), Request(protocols=("unseen",), trained_on_folds=()))


def test_of_several_protocols_the_impossible_ones_are_left_out_with_a_word() -> None:
    rows = rows_of_folds(1)

    plan = make_plan(rows, (), Request(trained_on_folds=()))

    assert {split.protocol for split in plan.splits} == {"unseen"}
    assert len(plan.left_out) == 2
    for protocol in ("paper", "folds"):
        with pytest.raises(EvaluationError, match="no fold is left for the gallery"):
            make_plan(rows, (), Request(protocols=(protocol,), trained_on_folds=()))


def test_the_papers_experiment_needs_the_papers_classes() -> None:
    rows = rows_of_folds(1, 2)

    with pytest.raises(EvaluationError, match="the paper's experiment needs"):
        make_plan(rows, (), Request(protocols=("paper",), trained_on_folds=(1,)))


def paper_slices() -> Slices:
    rows = [
        row(f"{label}-{fold}-{patient}", label, fold, slice_=number, modality=modality)
        for label, modality in zip(
            (*PAPER_LABELS, "meningioma"), ["CT", "MR", "MR", "MR"], strict=True
        )
        for fold in (1, 2)
        for patient in range(3)
        for number in range(20 if label != "glioma" else 10)
    ]
    return Slices.listed(rows)


def test_the_papers_experiment_takes_fifty_fixed_queries_of_three_classes() -> None:
    slices, folds = paper_slices(), Folds((2,), (1,), (1,))

    three, among_all = splits("paper", slices, folds, seed=1)

    counts = np.bincount(slices.labels[three.queries])
    assert dict(zip(slices.label_names, counts, strict=False)) == {
        "glioma": 30,
        "intracerebral_hemorrhage": 50,
        "meningioma": 0,
        "pituitary_tumor": 50,
    }
    assert "only 30 queries of glioma" in three.notes[0]
    assert set(slices.take(three.gallery).found_labels()) == set(PAPER_LABELS)
    assert "meningioma" in slices.take(among_all.gallery).found_labels()
    np.testing.assert_array_equal(three.queries, among_all.queries)
    assert set(slices.folds[three.queries]) == {2}
    assert set(slices.folds[three.gallery]) == {1}


def test_the_fifty_are_the_same_in_any_order_of_rows_and_differ_by_seed() -> None:
    slices, folds = paper_slices(), Folds((2,), (1,), (1,))
    turned = slices.take(np.random.default_rng(1).permutation(len(slices)))

    def asked(made: Slices, seed: int) -> set[str]:
        return set(made.sop_instance_uids[splits("paper", made, folds, seed)[0].queries])

    assert asked(slices, 1) == asked(turned, 1)
    assert asked(slices, 1) != asked(slices, 2)


def test_each_modality_with_several_labels_is_a_scope_of_its_own() -> None:
    scopes = [split.scope for split in splits("folds", paper_slices(), Folds((2,), (1,), (1,)))]

    assert scopes == ["all labels", "MR only"]


def test_unseen_is_called_an_upper_bound_where_patients_are_unknown() -> None:
    slices, folds = paper_slices(), Folds((2,), (1,), (1,))
    guessed = replace(slices, patient_known=slices.modalities == "CT")

    for made, bound in ((slices, False), (guessed, True)):
        split = splits("unseen", made, folds)[0]
        assert any("upper bound" in note for note in split.notes) is bound
        assert split.own_group_left_out
        np.testing.assert_array_equal(split.queries, split.gallery)
