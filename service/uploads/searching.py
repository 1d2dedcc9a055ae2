"""Searches by an upload, by a region of a slice and by several examples.

While a query is embedded, which may take seconds, no connection to the database is held.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from sqlalchemy import Connection, Engine, select

from dicom_node.files import ObjectStore
from model.placement import Box
from service.db.tables import instance
from service.encoders.registry import ActiveEncoder, get_active
from service.errors import Unavailable
from service.explaining import EncoderFile, EncoderFiles
from service.patients import PatientKeyer
from service.registering import patient_key_of
from service.search.filters import EVERYTHING, Filters
from service.search.found import Found
from service.search.nearest import Collapse, nearest
from service.search.target import EmbeddedSlice, Target, find_slice
from service.uploads.embedding import Coordinates, QueryEmbedder
from service.uploads.examples import Example, target_of
from service.uploads.kinds import Kind
from service.uploads.preparing import CtWindow, PreparedUpload

_TRIES = 3  # an encoder is changed seldom: once while a query is embedded, and not twice

Patient = Literal["left out", "searched", "unknown"]
Embedded = TypeVar("Embedded")


@dataclass(frozen=True)
class Wanted:
    """What the neighbours must be, and how to look for them."""

    k: int = 5
    filters: Filters = EVERYTHING
    same_patient: bool = False
    collapse: Collapse = "none"
    exact: bool = False
    explain: bool = False

    @property
    def patient(self) -> Patient:
        """What becomes of slices of the query's own patient."""
        return "searched" if self.same_patient else "left out"


@dataclass(frozen=True)
class QueryAnswer:
    """What was found; `patient` says what became of slices of the query's own patient.

    `kind` and `sop_instance_uid` are an upload's, None where there is none.
    """

    encoder: ActiveEncoder
    found: Found
    patient: Patient
    kind: Kind | None = None
    sop_instance_uid: str | None = None


@dataclass(frozen=True)
class QuerySearch:
    """Searches one gallery by what is no slice of it; safe to use from several threads."""

    engine: Engine
    store: ObjectStore
    keyer: PatientKeyer
    encoder_files: EncoderFiles
    embedder: QueryEmbedder

    def by_upload(
        self, data: bytes, frame: int, wanted: Wanted, ct_window: CtWindow | None = None
    ) -> QueryAnswer:
        """Search by a frame (1-based) of a DICOM, PNG or JPEG file.

        If the gallery holds that frame of that SOP Instance UID, it is left out. `ct_window` is for
        a picture of a CT; see `prepare_upload`.

        Raises:
            UploadUnsupported, UploadUnsearchable: it cannot be searched by.
            InvalidParameter: what is wanted is out of range.
            Unavailable: no encoder is active or it cannot be used, or too many ask.
        """

        def embed(file: EncoderFile) -> tuple[PreparedUpload, Coordinates]:
            return self.embedder.upload(data, frame, file, ct_window)

        def aim(connection: Connection, embedded: tuple[PreparedUpload, Coordinates]) -> Target:
            upload, coordinates = embedded
            if upload.header is None:
                return Target(coordinates=coordinates)
            known = _instance_id(connection, upload.header.sop_instance_uid)
            return Target(
                coordinates=coordinates,
                patient_key=patient_key_of(upload.header, self.keyer),
                without=() if known is None else ((known, frame),),
            )

        active, (upload, _), found = self._search(embed, aim, wanted)
        if upload.header is None:
            return QueryAnswer(active, found, "unknown", upload.kind)
        uid = upload.header.sop_instance_uid
        return QueryAnswer(active, found, wanted.patient, upload.kind, uid)

    def by_region(self, sop_instance_uid: str, frame: int, box: Box, wanted: Wanted) -> QueryAnswer:
        """Search by a box of a slice of the gallery; see `prepare_region`.

        Raises:
            InstanceUnknown, InstancePending, NotSearchable: the slice has no embedding.
            UploadUnsearchable: the box leaves the slice, or shows nothing.
            InvalidParameter, Unavailable: as above.
        """
        with self.engine.connect() as connection:
            _, of = find_slice(connection, sop_instance_uid, frame)
            path = self.store.path(_file_name(connection, of))

        def embed(file: EncoderFile) -> Coordinates:
            return self.embedder.region(path, frame, box, file)

        def aim(_connection: Connection, coordinates: Coordinates) -> Target:
            itself = ((of.instance_id, frame),)
            return Target(coordinates=coordinates, patient_key=of.patient_key, without=itself)

        active, _, found = self._search(embed, aim, wanted)
        return QueryAnswer(active, found, wanted.patient)

    def by_examples(
        self, positive: Sequence[Example], negative: Sequence[Example], wanted: Wanted
    ) -> QueryAnswer:
        """Search for what is like the positive examples and unlike the negative; see `target_of`.

        Raises as `target_of` does, and InvalidParameter for what is wanted.
        """
        with self.engine.connect() as connection:
            active, target = target_of(connection, positive, negative)
            return QueryAnswer(active, _nearest(connection, active, target, wanted), wanted.patient)

    def _search(
        self,
        embed: Callable[[EncoderFile], Embedded],
        aim: Callable[[Connection, Embedded], Target],
        wanted: Wanted,
    ) -> tuple[ActiveEncoder, Embedded, Found]:
        """Embed by the active encoder, and search; again if another became active meanwhile."""
        wanted.filters.check()
        for _ in range(_TRIES):
            with self.engine.connect() as connection:
                active = get_active(connection)
                file = self.encoder_files.active(connection)
            if file.path.stem != active.name:
                continue
            embedded = embed(file)
            with self.engine.connect() as connection:
                if get_active(connection) == active:
                    target = aim(connection, embedded)
                    return active, embedded, _nearest(connection, active, target, wanted)
        raise Unavailable("The gallery's encoder is being changed; try again in a moment.")


def _instance_id(connection: Connection, sop_instance_uid: str) -> int | None:
    known = select(instance.c.instance_id).where(instance.c.sop_instance_uid == sop_instance_uid)
    found: int | None = connection.scalar(known)
    return found


def _file_name(connection: Connection, of: EmbeddedSlice) -> str:
    known = select(instance.c.file_name).where(instance.c.instance_id == of.instance_id)
    found: str | None = connection.scalar(known)
    if found is None:
        raise Unavailable("The slice is being deleted; try again in a moment.")
    return found


def _nearest(
    connection: Connection, active: ActiveEncoder, target: Target, wanted: Wanted
) -> Found:
    return nearest(
        connection,
        active,
        target,
        wanted.filters,
        k=wanted.k,
        same_patient=wanted.same_patient,
        collapse=wanted.collapse,
        exact=wanted.exact,
        explain=wanted.explain,
    )
