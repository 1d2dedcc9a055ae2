"""A gallery of a few thousand clustered slices with facts to filter by, and NumPy's view of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, create_engine, text

from service.encoders.registry import ActiveEncoder, EncoderDescription, register
from service.export import export_gallery
from service.search.filters import Filters
from tests.support.databases import fresh_database
from tests.support.encoders import DIMENSION, unit
from tests.support.galleries import MadeInstance, fill

BODY_PARTS = ("HEAD", "Head", "NECK", None)
MANUFACTURERS = ("Siemens", "SIEMENS", "GE", "Philips", None)
DESCRIPTIONS = ("t1 axial", "T2 AXIAL fs", "localiser", None, "100%_sure\\")
PLANES = ("AXIAL", "AXIAL", "CORONAL", "SAGITTAL", "OBLIQUE", None)
FIRST_DAY = date(2020, 1, 1)


@dataclass(frozen=True, repr=False)
class SearchGallery:
    """The slices made, the facts of their patients, and their exported embeddings."""

    engine: Engine
    encoder: ActiveEncoder
    made: list[MadeInstance]
    embeddings: NDArray[np.float64]

    def numbers(self) -> dict[str, int]:
        """The number of each slice by its SOP Instance UID."""
        return {one.sop_instance_uid: number for number, one in enumerate(self.made)}

    def passing(self, filters: Filters) -> NDArray[np.bool_]:
        """Which slices pass, in plain Python."""
        return np.array([_passes(one, facts_of(one.patient), filters) for one in self.made])

    def distances(self, number: int) -> NDArray[np.float64]:
        """Of the exported embeddings, from one slice to all."""
        return np.asarray(np.linalg.norm(self.embeddings - self.embeddings[number], axis=1))


def facts_of(patient: int) -> dict[str, Any]:
    """What the series of a patient say."""
    return {
        "body_part": BODY_PARTS[patient % len(BODY_PARTS)],
        "manufacturer": MANUFACTURERS[patient % len(MANUFACTURERS)],
        "description": DESCRIPTIONS[patient // 2 % len(DESCRIPTIONS)],
        "study_date": None if patient % 11 == 5 else FIRST_DAY + timedelta(days=7 * patient),
    }


def make_slices(patients: int = 100) -> list[MadeInstance]:
    """Clusters of patients; the third disease is all MR, so that modality and nearness agree.

    Every tenth patient has 150 slices, the others 20; ten patients have the same blank slice.
    """
    random = np.random.default_rng(5)
    diseases = random.normal(size=(3, DIMENSION))
    blank = unit(random.normal(size=(1, DIMENSION)))
    made = []
    for patient in range(patients):
        count = 150 if patient % 10 == 0 else 20
        centre = diseases[patient % 3] + 0.6 * random.normal(size=DIMENSION)
        path = np.cumsum(0.03 * random.normal(size=(count, DIMENSION)), axis=0)
        coordinates = unit(centre + path + 0.05 * random.normal(size=(count, DIMENSION)))
        if patient % 10 == 1:
            coordinates[:2] = blank
        made += [_slice(patient, n, coordinates[n : n + 1]) for n in range(count)]
    return made


def _slice(patient: int, number: int, coordinates: NDArray[np.float32]) -> MadeInstance:
    rare = ("rare",) if patient < 2 else ()
    return MadeInstance(
        f"1.2.826.4.{patient}.{number}",
        patient=patient,
        modality="MR" if patient % 3 == 2 else "CT",
        labels=(f"disease {patient % 3}", *rare) if patient % 4 else rare,
        coordinates=coordinates,
        patient_sex=("F", "M", None)[patient % 5 % 3],
        patient_age_years=None if patient % 7 == 3 else patient,
        plane=PLANES[(patient + number // 10) % len(PLANES)],
    )


@contextmanager
def search_gallery(
    cluster_url: str, folder: Path, made: list[MadeInstance], description: EncoderDescription
) -> Iterator[SearchGallery]:
    """A gallery of these slices in a database of its own."""
    with fresh_database(cluster_url) as url:
        engine = create_engine(url)
        with engine.begin() as connection:
            encoder = register(connection, description)
        fill(engine, made, encoder)
        _write_facts(engine, made)
        export_gallery(engine, folder / "gallery.npz")
        with np.load(folder / "gallery.npz", allow_pickle=False) as archive:
            assert archive["sop_instance_uid"].tolist() == [m.sop_instance_uid for m in made]
            embeddings = archive["embedding"].astype(np.float64)
        yield SearchGallery(engine, encoder, made, embeddings)
        engine.dispose()


def _write_facts(engine: Engine, made: list[MadeInstance]) -> None:
    first = {one.patient: one for one in made}
    rows = [{"uid": one.study_instance_uid, **facts_of(one.patient)} for one in first.values()]
    with engine.begin() as connection:
        for statement in (
            "UPDATE series s SET body_part_examined = :body_part, manufacturer = :manufacturer,"
            " series_description = :description FROM study t"
            " WHERE t.study_id = s.study_id AND t.study_instance_uid = :uid",
            "UPDATE study SET study_date = CAST(:study_date AS date)"
            " WHERE study_instance_uid = :uid",
        ):
            connection.execute(text(statement), rows)
        connection.execute(text("ANALYZE"))


def _passes(one: MadeInstance, facts: dict[str, Any], filters: Filters) -> bool:
    age, day = one.patient_age_years, facts["study_date"]
    wanted, found = filters.series_description, facts["description"]
    return (
        _is_any(one.modality, filters.modality)
        and (not filters.label or bool(set(filters.label) & set(one.labels)))
        and _is_any(facts["body_part"], filters.body_part)
        and _is_any(facts["manufacturer"], filters.manufacturer)
        and _is_any(one.plane, filters.plane)
        and _is_any(one.patient_sex, filters.patient_sex)
        and (wanted is None or (found is not None and wanted.lower() in found.lower()))
        and _is_within(day, filters.study_date_from, filters.study_date_to)
        and _is_within(age, filters.age_from, filters.age_to)
    )


def _is_any(value: str | None, wanted: tuple[str, ...]) -> bool:
    return not wanted or (value is not None and value.lower() in [one.lower() for one in wanted])


def _is_within(value: Any, low: Any, high: Any) -> bool:
    if low is None and high is None:
        return True
    return value is not None and (low is None or value >= low) and (high is None or value <= high)
