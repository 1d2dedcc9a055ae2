"""Searches by an upload, by a region of a slice and by several examples.

While a query is embedded, which may take seconds, no connection to the database is held. Before and
after, a standby may answer if it is recent enough; both know the same active encoder.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, select

from dicom_node.files import ObjectStore
from model.placement import Box
from service.db.replicas import Readers
from service.db.tables import instance
from service.encoders.registry import ActiveEncoder, get_active
from service.errors import Unavailable
from service.explaining import EncoderFile, EncoderFiles
from service.patients import PatientKeyer
from service.registering import patient_key_of
from service.search.target import EmbeddedSlice, Target, find_slice
from service.uploads.answering import Aim, QueryAnswer, Wanted, answer, of_nobody, refuse_evidence
from service.uploads.embedding import Coordinates, QueryEmbedder
from service.uploads.examples import Example, target_of
from service.uploads.preparing import CtWindow, PreparedUpload

_TRIES = 3  # an encoder is changed seldom: once while a query is embedded, and not twice

Embedded = TypeVar("Embedded")


@dataclass(frozen=True)
class QuerySearch:
    """Searches one gallery by what is no slice of it; safe to use from several threads."""

    searches: Readers
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

        asked = {"sha256": sha256(data).hexdigest(), "frame": frame, "ct_window": ct_window}

        def embed(file: EncoderFile) -> tuple[PreparedUpload, Coordinates]:
            return self.embedder.upload(data, frame, file, ct_window)

        def aim(connection: Connection, embedded: tuple[PreparedUpload, Coordinates]) -> Aim:
            upload, coordinates = embedded
            if upload.header is None:
                return Aim(Target(coordinates=coordinates), asked, "CT" if ct_window else None)
            known = _instance_id(connection, upload.header.sop_instance_uid)
            target = Target(
                coordinates=coordinates,
                patient_key=patient_key_of(upload.header, self.keyer),
                without=() if known is None else ((known, frame),),
            )
            return Aim(target, asked, upload.header.modality)

        (upload, _), found = self._search(embed, aim, wanted)
        if upload.header is None:
            return of_nobody(replace(found, kind=upload.kind))
        uid = upload.header.sop_instance_uid
        return replace(found, kind=upload.kind, sop_instance_uid=uid)

    def by_region(self, sop_instance_uid: str, frame: int, box: Box, wanted: Wanted) -> QueryAnswer:
        """Search by a box of a slice of the gallery; see `prepare_region`.

        Raises:
            InstanceUnknown, InstancePending, NotSearchable: the slice has no embedding.
            UploadUnsearchable: the box leaves the slice, or shows nothing.
            InvalidParameter, Unavailable: as above.
        """
        refuse_evidence(wanted)

        def find(connection: Connection) -> tuple[EmbeddedSlice, Path]:
            _, of = find_slice(connection, sop_instance_uid, frame)
            return of, self.store.path(_file_name(connection, of))

        of, path = self.searches.run(find)

        def embed(file: EncoderFile) -> Coordinates:
            return self.embedder.region(path, frame, box, file)

        def aim(_connection: Connection, coordinates: Coordinates) -> Aim:
            itself = ((of.instance_id, frame),)
            asked = {"region": (sop_instance_uid, frame, box)}
            return Aim(Target(None, coordinates, of.patient_key, itself), asked)

        return self._search(embed, aim, wanted)[1]

    def by_examples(
        self, positive: Sequence[Example], negative: Sequence[Example], wanted: Wanted
    ) -> QueryAnswer:
        """Search for what is like the positive examples and unlike the negative; see `target_of`.

        Raises as `target_of` does, and InvalidParameter for what is wanted.
        """
        refuse_evidence(wanted)

        def search(connection: Connection) -> QueryAnswer:
            active, target = target_of(connection, positive, negative)
            asked = {"positive": _named(positive), "negative": _named(negative)}
            return answer(connection, active, Aim(target, asked), wanted)

        return self.searches.run(search)

    def _search(
        self,
        embed: Callable[[EncoderFile], Embedded],
        aim: Callable[[Connection, Embedded], Aim],
        wanted: Wanted,
    ) -> tuple[Embedded, QueryAnswer]:
        """Embed by the active encoder, and search; again if another became active meanwhile."""
        wanted.filters.check()
        for _ in range(_TRIES):
            found = self._try(embed, aim, wanted)
            if found is not None:
                return found
        raise Unavailable("The gallery's encoder is being changed; try again in a moment.")

    def _try(
        self,
        embed: Callable[[EncoderFile], Embedded],
        aim: Callable[[Connection, Embedded], Aim],
        wanted: Wanted,
    ) -> tuple[Embedded, QueryAnswer] | None:
        active, file = self.searches.run(self._encoder)
        if file.path.stem != active.name:
            return None
        embedded = embed(file)

        def search(connection: Connection) -> QueryAnswer | None:
            if get_active(connection) != active:
                return None
            return answer(connection, active, aim(connection, embedded), wanted)

        found = self.searches.run(search)
        return None if found is None else (embedded, found)

    def _encoder(self, connection: Connection) -> tuple[ActiveEncoder, EncoderFile]:
        return get_active(connection), self.encoder_files.active(connection)


def _named(examples: Sequence[Example]) -> list[tuple[str, int]]:
    return sorted({(example.sop_instance_uid, example.frame) for example in examples})


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
