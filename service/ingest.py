"""Registers a stored object: one transaction whose commit makes it part of the gallery.

Called by the DICOM node and by imports before anything is acknowledged. No torch here.
"""

from sqlalchemy import Connection, Engine, Select, exists, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.exc import SQLAlchemyError

from dicom_node.errors import OutOfResources
from dicom_node.files import ObjectStore
from dicom_node.header import Header
from dicom_node.receive import ReceivedObject, Registration
from service.db.tables import conflict, embedding_job, instance, series, study
from service.deletion.arriving import graves_of, settle_arrival
from service.patients import PatientKeyer
from service.queue import retry


class GalleryRegistrar:
    """The callback that the node and imports register with; safe to call from many threads."""

    def __init__(self, engine: Engine, keyer: PatientKeyer, store: ObjectStore) -> None:
        self._engine = engine
        self._keyer = keyer
        self._store = store

    def __call__(self, received: ReceivedObject) -> Registration:
        """Write study, series, instance and embedding job, and commit.

        Returns:
            STORED for a new instance (or this very file registered before), DUPLICATE for the same
            bytes again, CONFLICT for other bytes under a known SOP Instance UID.

        Raises:
            OutOfResources: the database refused or is gone. `outcome_unknown` tells that the
                connection broke during the commit, so that the row may exist.
        """
        try:
            connection = self._engine.connect()
        except SQLAlchemyError as error:
            raise _unavailable(error) from None
        with connection:
            try:
                registration = register(connection, received, self._keyer, self._store)
            except SQLAlchemyError as error:
                raise _unavailable(error) from None
            try:
                connection.commit()
            except SQLAlchemyError as error:
                raise _unavailable(error, outcome_unknown=True) from None
        return registration


def _unavailable(error: SQLAlchemyError, *, outcome_unknown: bool = False) -> OutOfResources:
    """The DIMSE failure for a database error; its text is ours, since theirs may quote values."""
    code = getattr(getattr(error, "orig", None), "pgcode", None) or "no answer"
    reason = f"the gallery's database did not take the object ({type(error).__name__}, {code})"
    return OutOfResources(reason, outcome_unknown=outcome_unknown)


def register(
    connection: Connection, received: ReceivedObject, keyer: PatientKeyer, store: ObjectStore
) -> Registration:
    """Write the rows of one object in the caller's transaction.

    The same bytes again replace the instance's file where that has been lost: a re-send heals it.
    """
    header = received.header
    grave = graves_of(connection, [header.sop_instance_uid]).get(header.sop_instance_uid)
    if grave is not None and grave.refusal is not None:
        raise grave.refusal
    instance_id = _insert_instance(connection, received, keyer)
    if instance_id is not None:
        connection.execute(insert(embedding_job).values(instance_id=instance_id))
        settle_arrival(connection, received, store.path(received.file.name), grave)
        return Registration.STORED
    known = connection.execute(
        select(instance.c.instance_id, instance.c.sha256, instance.c.file_name).where(
            instance.c.sop_instance_uid == header.sop_instance_uid
        )
    ).one()
    if known.file_name == received.file.name:
        return Registration.STORED
    if bytes(known.sha256) == received.file.sha256:
        if store.path(known.file_name).exists():
            return Registration.DUPLICATE
        _replace_file(connection, received, known.instance_id)
        return Registration.STORED
    return _insert_conflict(connection, received, known.instance_id)


def _replace_file(connection: Connection, received: ReceivedObject, instance_id: int) -> None:
    file = received.file
    connection.execute(
        update(instance)
        .where(instance.c.instance_id == instance_id)
        .values(file_name=file.name, file_size=file.size)
    )
    retry(connection, [instance_id])


def _insert_instance(
    connection: Connection, received: ReceivedObject, keyer: PatientKeyer
) -> int | None:
    """The new row's number, or None where the UID is known; such an object makes no series."""
    header, file = received.header, received.file
    is_known = exists().where(instance.c.sop_instance_uid == header.sop_instance_uid)
    series_id, known = connection.execute(
        select(_series_of(header).scalar_subquery(), is_known)
    ).one()
    if known:
        return None
    if series_id is None:
        series_id = _make_series(connection, header)
    new_id: int | None = connection.scalar(
        insert_or_skip(instance)
        .values(
            series_id=series_id,
            patient_key=keyer.key(
                header.patient_id or "",
                header.issuer_of_patient_id or "",
                header.study_instance_uid,
            ),
            file_name=file.name,
            file_size=file.size,
            sha256=file.sha256,
            source=received.source,
            **_facts(header),
        )
        .on_conflict_do_nothing(index_elements=[instance.c.sop_instance_uid])
        .returning(instance.c.instance_id)
    )
    return new_id


def _facts(header: Header) -> dict[str, object]:
    """The header facts that an instance's row keeps."""
    return {
        "sop_instance_uid": header.sop_instance_uid,
        "sop_class_uid": header.sop_class_uid,
        "transfer_syntax_uid": header.transfer_syntax_uid,
        "patient_sex": header.patient_sex,
        "patient_age_years": header.patient_age_years,
        "image_type": list(header.image_type),
        "instance_number": header.instance_number,
        "rows": header.rows,
        "columns": header.columns,
        "frames": header.frames,
        "flags": list(header.flags),
    }


def _series_of(header: Header) -> Select[int]:
    return (
        select(series.c.series_id)
        .join(study)
        .where(
            study.c.study_instance_uid == header.study_instance_uid,
            series.c.series_instance_uid == header.series_instance_uid,
        )
    )


def _make_series(connection: Connection, header: Header) -> int:
    """The row of a series that was not there a moment ago, made with its study's if need be."""
    connection.execute(
        insert_or_skip(study)
        .values(study_instance_uid=header.study_instance_uid, study_date=header.study_date)
        .on_conflict_do_nothing()
    )
    owner = select(
        study.c.study_id,
        literal(header.series_instance_uid),
        literal(header.modality or "OT"),
        literal(header.body_part_examined),
        literal(header.manufacturer),
    ).where(study.c.study_instance_uid == header.study_instance_uid)
    columns = ["study_id", "series_instance_uid", "modality", "body_part_examined", "manufacturer"]
    connection.execute(insert_or_skip(series).from_select(columns, owner).on_conflict_do_nothing())
    # A new statement sees what a concurrent association committed meanwhile.
    made: int = connection.execute(_series_of(header)).scalar_one()
    return made


def _insert_conflict(
    connection: Connection, received: ReceivedObject, instance_id: int
) -> Registration:
    file = received.file
    kept = connection.scalar(
        insert_or_skip(conflict)
        .values(
            instance_id=instance_id,
            file_name=file.name,
            file_size=file.size,
            sha256=file.sha256,
            source=received.source,
        )
        .on_conflict_do_nothing(index_elements=[conflict.c.instance_id, conflict.c.sha256])
        .returning(conflict.c.conflict_id)
    )
    if kept is not None:
        return Registration.CONFLICT
    same_file = connection.scalar(
        select(conflict.c.conflict_id).where(conflict.c.file_name == file.name)
    )
    return Registration.DUPLICATE if same_file is None else Registration.CONFLICT
