"""Answers N-ACTION requests, which ask for storage commitment (PS3.4 J.3.2, PS3.7 10.1.4).

What a request means is `TakeRequest`'s business, which may wait for a database: it is called by a
thread of its own, one request after the other, and never by the association's.
"""

import logging
import threading
from queue import SimpleQueue

from dicom_node.commitment import (
    ActionRequest,
    CommitmentRefused,
    TakeRequest,
    decode_information,
)
from dicom_node.contexts import STORAGE_COMMITMENT
from dicom_node.statuses import ActionStatus
from dicom_node.unexpected import unexpected
from dicom_node.upper_layer.command_set import (
    ACTION_TYPE_ID,
    REQUESTED_SOP_CLASS_UID,
    REQUESTED_SOP_INSTANCE_UID,
)
from dicom_node.upper_layer.services import SUCCESS, Answer, Request, Response
from dicom_node.upper_layer.violations import InvalidMessage

MAX_REQUEST_BYTES = 8 << 20
# Of all associations together: requests lie in memory until they are read.
MAX_WAITING_BYTES = 32 << 20
_log = logging.getLogger("precuneus.node")


class ActionService:
    """Begins N-ACTION operations; all but the taking of requests happens in the loop's thread."""

    def __init__(self, take: TakeRequest) -> None:
        self._take = take
        self._waiting_bytes = 0
        self._waiting_lock = threading.Lock()
        self._complete: SimpleQueue[tuple[ActionOperation, Answer] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="dicom-action", daemon=True)

    def __call__(self, request: Request) -> "ActionOperation":
        """An N-ACTION request has come; its Action Information follows."""
        return ActionOperation(self, request)

    def start(self) -> None:
        """Begin to take requests."""
        self._thread.start()

    def close(self) -> None:
        """Take what is complete, and end the thread."""
        self._complete.put(None)
        self._thread.join()

    def submit(self, operation: "ActionOperation", answer: Answer) -> None:
        """Have a complete request taken; `answer` is called in another thread."""
        self._complete.put((operation, answer))

    def reserve(self, size: int) -> bool:
        """Whether there is memory for `size` bytes more."""
        with self._waiting_lock:
            has_room = self._waiting_bytes + size <= MAX_WAITING_BYTES
            if has_room:
                self._waiting_bytes += size
        return has_room

    def give_back(self, size: int) -> None:
        """So many bytes are kept no longer."""
        with self._waiting_lock:
            self._waiting_bytes -= size

    def _run(self) -> None:
        while (complete := self._complete.get()) is not None:
            operation, answer = complete
            try:
                self._take(operation.request())
            except CommitmentRefused as error:
                answer(operation.refused(error))
            except Exception as error:
                defect = unexpected(error, "taking a storage commitment request")
                answer(
                    operation.refused(
                        CommitmentRefused(ActionStatus.PROCESSING_FAILURE, str(defect))
                    )
                )
            else:
                answer(Response(SUCCESS))


class ActionOperation:
    """One N-ACTION: its information is gathered, within bounds, and handed over as it ends."""

    def __init__(self, service: ActionService, request: Request) -> None:
        self._service = service
        self._request = request
        self._data = bytearray()
        self._size = 0
        self._refusal: CommitmentRefused | None = None
        classes = {request.context.abstract_syntax, request.command.text(REQUESTED_SOP_CLASS_UID)}
        if classes != {STORAGE_COMMITMENT}:
            self._refuse(
                CommitmentRefused(ActionStatus.NO_SUCH_CLASS, "no such SOP Class for an action")
            )

    def write(self, piece: memoryview) -> None:
        """As `Operation` says.

        Raises:
            InvalidMessage: twice as much came as the largest request may have.
        """
        self._size += len(piece)
        if self._size > 2 * MAX_REQUEST_BYTES:
            raise InvalidMessage("a request without an end")
        if self._refusal is not None:
            return
        if self._size > MAX_REQUEST_BYTES:
            most = MAX_REQUEST_BYTES >> 20
            self._refuse(
                CommitmentRefused(ActionStatus.OUT_OF_RESOURCES, f"the request is over {most} MiB")
            )
        elif not self._service.reserve(len(piece)):
            self._refuse(
                CommitmentRefused(ActionStatus.OUT_OF_RESOURCES, "too many requests at a time")
            )
        else:
            self._data += piece

    def flush(self) -> None:
        """Nothing of the buffers is kept."""

    def finish(self, answer: Answer) -> None:
        """As `Operation` says."""
        if self._refusal is not None:
            answer(self.refused(self._refusal))
            return

        def give_back_and_answer(response: Response) -> None:
            self.abandon()
            answer(response)

        self._service.submit(self, give_back_and_answer)

    def abandon(self) -> None:
        """As `Operation` says."""
        self._service.give_back(len(self._data))
        self._data = bytearray()

    def request(self) -> ActionRequest:
        """What is asked for.

        Raises:
            CommitmentRefused: the information cannot be parsed.
        """
        command, context = self._request.command, self._request.context
        action_type = command.values.get(ACTION_TYPE_ID, b"")
        return ActionRequest(
            calling_ae_title=self._request.calling_ae_title,
            sop_instance_uid=command.text(REQUESTED_SOP_INSTANCE_UID),
            action_type=int.from_bytes(action_type, "little"),
            information=decode_information(bytes(self._data), context.transfer_syntax),
        )

    def refused(self, error: CommitmentRefused) -> Response:
        """The response that tells of a refusal, which is logged."""
        calling = self._request.calling_ae_title
        fields = {"action": "commitment.refused", "calling_ae_title": calling}
        _log.warning("storage commitment refused: %s", error, extra=fields)
        return Response(error.status, str(error))

    def _refuse(self, error: CommitmentRefused) -> None:
        self._refusal = error
        self.abandon()
