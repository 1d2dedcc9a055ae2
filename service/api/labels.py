"""Routes about labels: what is said of an instance or a study, saying it, and taking it back."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from service.api.bounded import BoundedRoute
from service.api.deps import (
    CallerDep,
    ConnectionDep,
    Resources,
    ResourcesDep,
    SopInstanceUid,
    StudyInstanceUid,
)
from service.api.label_schemas import (
    LabelBody,
    LabelsBody,
    NewLabelBody,
    VocabularyBody,
    WithdrawalBody,
)
from service.api.problems import responses
from service.labels.checking import checked
from service.labels.history import Level, find_labels, find_statement
from service.labels.vocabulary import find_vocabulary
from service.labels.withdrawing import withdraw_label
from service.labels.writing import record_labels

router = APIRouter(prefix="/v1", tags=["labels"], route_class=BoundedRoute)

History = Annotated[bool, Query(description="also what was withdrawn or replaced")]
Replace = Annotated[
    bool, Query(description="end what the same source and origin said of it before")
]
LabelId = Annotated[int, Path(ge=1, le=2**63 - 1)]
_OF_INSTANCE = "/instances/{sop_instance_uid}/labels"
_OF_STUDY = "/studies/{study_instance_uid}/labels"


@router.get("/labels", responses=responses(422, 503))
def get_vocabulary(
    connection: ConnectionDep, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000
) -> VocabularyBody:
    """The labels in use with their codes, the most frequent first."""
    return VocabularyBody.of(find_vocabulary(connection, limit))


@router.get(_OF_INSTANCE, responses=responses(422, 503))
def get_instance_labels(
    sop_instance_uid: SopInstanceUid, connection: ConnectionDep, history: History = False
) -> LabelsBody:
    """What is said of an instance, and of the study that it is of."""
    return LabelsBody.of(find_labels(connection, "instance", sop_instance_uid, history=history))


@router.get(_OF_STUDY, responses=responses(422, 503))
def get_study_labels(
    study_instance_uid: StudyInstanceUid, connection: ConnectionDep, history: History = False
) -> LabelsBody:
    """What is said of a study as a whole."""
    return LabelsBody.of(find_labels(connection, "study", study_instance_uid, history=history))


@router.post(_OF_INSTANCE, status_code=201, responses=responses(400, 408, 413, 422, 503))
def post_instance_label(
    sop_instance_uid: SopInstanceUid,
    body: NewLabelBody,
    resources: ResourcesDep,
    caller: CallerDep,
    response: Response,
    replace: Replace = False,
) -> LabelBody:
    """Record a label of an instance, which may arrive later; 200 if it stands already."""
    return _post(resources, response, ("instance", sop_instance_uid), body, caller, replace)


@router.post(_OF_STUDY, status_code=201, responses=responses(400, 408, 413, 422, 503))
def post_study_label(
    study_instance_uid: StudyInstanceUid,
    body: NewLabelBody,
    resources: ResourcesDep,
    caller: CallerDep,
    response: Response,
    replace: Replace = False,
) -> LabelBody:
    """Record a label of a whole study, which may arrive later; 200 if it stands already."""
    return _post(resources, response, ("study", study_instance_uid), body, caller, replace)


@router.delete(_OF_INSTANCE + "/{label_id}", responses=responses(400, 404, 408, 413, 422, 503))
def delete_instance_label(
    sop_instance_uid: SopInstanceUid,
    label_id: LabelId,
    body: WithdrawalBody,
    resources: ResourcesDep,
    caller: CallerDep,
) -> LabelBody:
    """Withdraw a label of an instance; it stays in the history with the reason."""
    return _withdraw(resources, ("instance", sop_instance_uid), label_id, body, caller)


@router.delete(_OF_STUDY + "/{label_id}", responses=responses(400, 404, 408, 413, 422, 503))
def delete_study_label(
    study_instance_uid: StudyInstanceUid,
    label_id: LabelId,
    body: WithdrawalBody,
    resources: ResourcesDep,
    caller: CallerDep,
) -> LabelBody:
    """Withdraw a label of a study; it stays in the history with the reason."""
    return _withdraw(resources, ("study", study_instance_uid), label_id, body, caller)


def _post(
    resources: Resources,
    response: Response,
    subject: tuple[Level, str],
    body: NewLabelBody,
    caller: str | None,
    replace: bool,
) -> LabelBody:
    level, uid = subject
    name = "sop_instance_uid" if level == "instance" else "study_instance_uid"
    record = checked({**body.fields(), name: uid})
    with resources.engine.begin() as connection:
        report = record_labels(connection, [record], recorded_by=caller, replace=replace)
        stands = find_statement(connection, record)
    if not report.recorded:
        response.status_code = 200
    return LabelBody.model_validate(stands)


def _withdraw(
    resources: Resources,
    subject: tuple[Level, str],
    label_id: int,
    body: WithdrawalBody,
    caller: str | None,
) -> LabelBody:
    with resources.engine.begin() as connection:
        ended = withdraw_label(connection, label_id, body.reason, by=caller, subject=subject)
    return LabelBody.model_validate(ended)
