"""The route that says what a slice's neighbours say about it, and how far that can be believed."""

from datetime import datetime
from typing import Literal, Self

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from service.api.deps import SearchesDep, SopInstanceUid
from service.api.instances import FrameNumber
from service.api.problems import responses
from service.evidence.evidence import Evidence, Voter, evidence_of
from service.search.target import Target, find_slice

router = APIRouter(prefix="/v1/instances/{sop_instance_uid}", tags=["instances"])

DISCLAIMER = "What similar slices were labelled. It is evidence to look at, not a diagnosis."


class CountedLabelBody(BaseModel):
    """A label that counts, and who said so."""

    label: str
    source: Literal["report", "pathology", "import"]


class VoterBody(BaseModel):
    """The nearest slice of one other patient; with a label that counts it votes."""

    sop_instance_uid: str
    frame: int
    series_instance_uid: str
    study_instance_uid: str
    modality: str
    distance: float
    percentile: float | None = Field(
        description="of 100 pairs of slices of unrelated patients, how many are no farther apart"
    )
    weight: float | None = Field(description="its part of the votes; null: no shares are given")
    labels: list[CountedLabelBody]

    @classmethod
    def of(cls, voter: Voter) -> Self:
        """The JSON form of a voter."""
        neighbour = voter.neighbour
        return cls(
            sop_instance_uid=neighbour.sop_instance_uid,
            frame=neighbour.frame,
            series_instance_uid=neighbour.series_instance_uid,
            study_instance_uid=neighbour.study_instance_uid,
            modality=neighbour.modality,
            distance=neighbour.distance,
            percentile=voter.percentile,
            weight=voter.weight,
            labels=[CountedLabelBody.model_validate(vars(label)) for label in voter.labels],
        )


class ShareBody(BaseModel):
    """A label's part of the votes; no probability of a disease."""

    label: str
    share: float = Field(ge=0, le=1.000001)
    patients: int = Field(description="who voted for it")
    in_gallery: int = Field(description="patients of the gallery with this label")


class SimilarityBody(BaseModel):
    """Whether the gallery holds anything similar."""

    nothing_similar: bool | None = Field(description="null: the gallery is too small to tell")
    off_gallery: float | None = Field(description="how far it lies off the gallery's own slices")
    threshold: float | None = Field(description="beyond which nothing is similar")
    false_alarms: float | None = Field(description="part of fitting slices that exceed it")
    patients: int | None = Field(description="whom the threshold was measured on")


class ReliabilityBody(BaseModel):
    """How far the shares can be believed."""

    ece: float = Field(description="expected calibration error of the largest share, 0 to 1")
    accuracy: float = Field(description="how often the label of the largest share was right")
    questions: int
    patients: int
    origin: Literal["gallery", "encoder"] = Field(
        description="measured in this gallery, or brought along by the encoder"
    )
    protocol: str


class EvidenceBody(BaseModel):
    """Votes of other patients' nearest slices, with all that is needed to judge them."""

    statement: str = DISCLAIMER
    encoder: str
    shares: list[ShareBody] = Field(description="empty where `remarks` say why")
    withheld: float | None = Field(
        description="what no label gets: the farther the neighbours, the more"
    )
    unlabelled_share: float | None = Field(description="patients asked that have no label")
    patients: int = Field(description="other patients asked, the nearest slice of each")
    labelled_patients: int
    similarity: SimilarityBody
    reliability: ReliabilityBody | None
    percentiles_within: str | None = Field(
        description="modality whose distances the percentiles compare with, or `all`"
    )
    calibrated_at: datetime | None
    remarks: list[str] = Field(description="why shares are missing, and what else is to be known")
    neighbours: list[VoterBody]

    @classmethod
    def of(cls, evidence: Evidence) -> Self:
        """The JSON form of evidence."""
        return cls(
            encoder=evidence.encoder,
            shares=[ShareBody.model_validate(vars(share)) for share in evidence.shares],
            withheld=evidence.withheld,
            unlabelled_share=evidence.unlabelled_share,
            patients=evidence.patients,
            labelled_patients=evidence.labelled,
            similarity=_similarity(evidence),
            reliability=_reliability(evidence),
            percentiles_within=evidence.scale.reference,
            calibrated_at=evidence.calibrated_at,
            remarks=list(evidence.remarks),
            neighbours=[VoterBody.of(voter) for voter in evidence.voters],
        )


def _similarity(evidence: Evidence) -> SimilarityBody:
    found, figures = evidence.similarity, evidence.similarity.figures
    return SimilarityBody(
        nothing_similar=found.nothing_similar,
        off_gallery=found.off,
        threshold=None if figures is None else figures.threshold,
        false_alarms=None if figures is None else figures.false_alarms,
        patients=None if figures is None else figures.patients,
    )


def _reliability(evidence: Evidence) -> ReliabilityBody | None:
    figures = evidence.figures
    if figures is None:
        return None
    return ReliabilityBody(
        ece=figures.ece,
        accuracy=figures.accuracy,
        questions=figures.questions,
        patients=figures.patients,
        origin=figures.origin,
        protocol=figures.protocol,
    )


@router.get("/evidence", responses=responses(404, 409, 422, 503))
def get_evidence(
    sop_instance_uid: SopInstanceUid, searches: SearchesDep, frame: FrameNumber = 1
) -> EvidenceBody:
    """What the nearest slices of 50 other patients were labelled; evidence, not a diagnosis.

    One vote a patient, weighed by distance and corrected for frequent labels. Only labels that a
    person stands behind count. docs/evidence.md explains every number.
    """

    def ask(connection: Connection) -> Evidence:
        encoder, found = find_slice(connection, sop_instance_uid, frame)
        return evidence_of(connection, encoder, Target.of(found))

    return EvidenceBody.of(searches.run(ask))
