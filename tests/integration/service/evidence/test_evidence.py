"""Evidence of a real gallery: whose votes count, what they add up to, and when none are given."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine, text

from service.encoders.registry import ActiveEncoder
from service.evidence.evidence import Evidence, evidence_of
from service.search.filters import Filters
from service.search.nearest import nearest
from service.search.target import Target, find_slice
from tests.integration.service.evidence.conftest import Calibrated, calibrated
from tests.support.encoders import DIMENSION
from tests.support.evidence import labelled_gallery, say
from tests.support.galleries import MadeInstance, clustered_instances, fill

FIRST = "1.2.826.3.4.0"


def asked(engine: Engine, sop_instance_uid: str = FIRST) -> Evidence:
    with engine.connect() as connection:
        encoder, found = find_slice(connection, sop_instance_uid, 1)
        return evidence_of(connection, encoder, Target.of(found))


def test_shares_are_told_with_all_that_is_needed_to_judge_them(gallery: Calibrated) -> None:
    evidence = asked(gallery.engine)
    assert evidence.remarks == ()
    assert evidence.withheld is not None
    assert sum(v.weight or 0.0 for v in evidence.voters) + evidence.withheld == pytest.approx(1.0)
    # No patient of the third disease has another label: shares and what is withheld are all.
    assert sum(s.share for s in evidence.shares) + evidence.withheld >= 1.0 - 1e-9
    assert evidence.shares[0].label == "disease 1"
    assert evidence.shares[0].in_gallery == 20
    assert evidence.figures is not None
    assert 0 <= evidence.figures.ece < 0.5
    assert (evidence.figures.origin, evidence.figures.patients) == ("gallery", 60)
    assert evidence.similarity.nothing_similar is False
    assert evidence.unlabelled_share == 0.0


def test_each_other_patient_has_one_vote(gallery: Calibrated) -> None:
    evidence = asked(gallery.engine)
    patients = [voter.neighbour.patient_key for voter in evidence.voters]
    assert len(patients) == len(set(patients)) == evidence.patients == 50
    own = next(made for made in gallery.instances if made.sop_instance_uid == FIRST).patient_key
    assert own not in patients
    assert sum((voter.weight or 0.0) > 0 for voter in evidence.voters) <= 20


def test_neighbours_found_before_say_the_same_whatever_slices_are_among_them(
    gallery: Calibrated,
) -> None:
    with gallery.engine.connect() as connection:
        encoder, found = find_slice(connection, FIRST, 1)
        target = Target.of(found)
        everything = nearest(connection, encoder, target, Filters(), k=177)
        assert len(everything.neighbours) == 177
        given = evidence_of(connection, encoder, target, found=everything)
        own = evidence_of(connection, encoder, target)
    assert given.withheld == pytest.approx(own.withheld, abs=1e-6)
    assert [s.label for s in given.shares] == [s.label for s in own.shares]
    uids = [[voter.neighbour.sop_instance_uid for voter in e.voters] for e in (given, own)]
    assert uids[0] == uids[1]


def test_percentiles_compare_with_unrelated_patients_of_the_same_modality(
    gallery: Calibrated,
) -> None:
    evidence = asked(gallery.engine)
    assert evidence.scale.reference == "CT"
    percentiles = [voter.percentile for voter in evidence.voters]
    assert None not in percentiles
    assert percentiles == sorted(percentiles)  # type: ignore[type-var]
    points = np.concatenate(
        [
            made.coordinates
            for made in gallery.instances
            if made.coordinates is not None and made.modality == "CT"
        ]
    )
    owners = np.array([m.patient for m in gallery.instances if m.modality == "CT"])
    pairs = np.linalg.norm(points[:, None] - points[None], axis=2)[owners[:, None] != owners]
    for voter in evidence.voters[:10]:
        expected = 100 * float(np.mean(pairs <= voter.neighbour.distance))
        assert voter.percentile == pytest.approx(expected, abs=6)


def test_what_is_unlike_the_gallery_gets_no_shares(engine: Engine, encoder: ActiveEncoder) -> None:
    flat = [padded(made) for made in clustered_instances(60, 3, dimension=DIMENSION // 2)]
    fill(engine, flat, encoder)
    say(engine, flat)
    calibrated(engine, encoder)
    odd = np.zeros(DIMENSION, np.float32)
    odd[-1] = 1.0
    own = flat[0].coordinates
    assert own is not None
    with engine.connect() as connection:
        far = evidence_of(connection, encoder, Target(coordinates=odd))
        near = evidence_of(connection, encoder, Target(coordinates=own[0]), modality="CT")
    assert near.similarity.nothing_similar is False
    assert near.shares
    assert near.scale.reference == "CT"
    assert far.scale.reference == "all"
    assert far.similarity.nothing_similar is True
    assert (far.shares, far.withheld) == ((), None)
    assert "Nothing similar" in far.remarks[0]
    assert all(voter.weight is None for voter in far.voters)


def padded(made: MadeInstance) -> MadeInstance:
    """The same slice, off whose directions half of the dimensions lie."""
    assert made.coordinates is not None
    return replace(made, coordinates=np.pad(made.coordinates, ((0, 0), (0, DIMENSION // 2))))


def test_predictions_and_words_without_a_source_never_count(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    made = clustered_instances(50, 2)
    fill(engine, made, encoder)
    say(engine, made, "prediction")
    found = calibrated(engine, encoder)
    assert (found.labels, found.evidence) == ({}, None)
    evidence = asked(engine)
    assert (evidence.labelled, evidence.unlabelled_share, evidence.shares) == (0, 1.0, ())
    assert evidence.remarks == ("No patient of this gallery has a label that counts.",)
    # What needs no label is there all the same.
    assert evidence.voters[0].percentile is not None
    assert evidence.similarity.nothing_similar is False


def test_predictions_beside_reports_change_nothing(engine: Engine, encoder: ActiveEncoder) -> None:
    made = labelled_gallery(engine, encoder)
    calibrated(engine, encoder)
    before = asked(engine)
    guessed = [replace(m, labels=("invented",)) for m in made if m.patient % 3 == 0]
    say(engine, guessed, "prediction")
    calibrated(engine, encoder)
    after = asked(engine)
    assert (after.shares, after.withheld) == (before.shares, before.withheld)


def test_labels_of_a_study_count_for_its_slices(engine: Engine, encoder: ActiveEncoder) -> None:
    made = clustered_instances(50, 2)
    fill(engine, made, encoder)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO label (study_instance_uid, label, source)"
                " SELECT DISTINCT t.study_instance_uid, 'whole study', 'pathology' FROM study t"
            )
        )
    assert calibrated(engine, encoder).labels == {"whole study": 50}
    label = asked(engine).voters[0].labels[0]
    assert (label.label, label.source) == ("whole study", "pathology")


def test_labels_that_were_withdrawn_no_longer_count(engine: Engine, encoder: ActiveEncoder) -> None:
    labelled_gallery(engine, encoder, patients=6)
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE label SET ended_at = now(), ended_as = 'withdrawn'"
                " WHERE label = 'disease 1'"
            )
        )
    assert calibrated(engine, encoder).labels == {"disease 0": 2, "disease 2": 2, "rare": 2}
    told = {label.label for voter in asked(engine).voters for label in voter.labels}
    assert "disease 1" not in told


def test_a_gallery_that_was_never_calibrated_says_so(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    labelled_gallery(engine, encoder, patients=5)
    evidence = asked(engine)
    assert "index calibrate" in evidence.remarks[0]
    assert (evidence.shares, evidence.withheld, evidence.scale.reference) == ((), None, None)
    assert evidence.similarity.nothing_similar is None
    assert len(evidence.voters) == 4


def test_a_gallery_of_few_patients_gives_no_shares_and_says_why(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    labelled_gallery(engine, encoder, patients=12)
    calibrated(engine, encoder)
    evidence = asked(engine)
    assert evidence.shares == ()
    assert evidence.similarity.nothing_similar is None
    assert "12" in evidence.remarks[0]
    assert "Shares need 40 patients" in evidence.remarks[1]
