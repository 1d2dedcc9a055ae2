"""What becomes of an object whose SOP Instance UID has a row: the same again, or a rival.

In the caller's transaction, as all of registering. No torch here.
"""

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip

from dicom_node.files import ObjectStore
from dicom_node.receive import ReceivedObject, Registration
from service.db.tables import conflict, instance
from service.queue import retry


def register_again(
    connection: Connection, received: ReceivedObject, store: ObjectStore
) -> Registration:
    """What an object is beside the one that is registered under its UID.

    The same bytes again replace the instance's file where that has been lost: a re-send heals it.
    """
    known = connection.execute(
        select(instance.c.instance_id, instance.c.sha256, instance.c.file_name).where(
            instance.c.sop_instance_uid == received.header.sop_instance_uid
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
