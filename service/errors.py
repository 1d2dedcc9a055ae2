"""The service's error tree: each member knows its HTTP status and the command's exit code."""

from collections.abc import Mapping


class ServiceError(Exception):
    """Something a user or an administrator can act on; the message says how."""

    http_status = 500
    exit_code = 1
    title = "Internal error"

    @property
    def members(self) -> Mapping[str, object]:
        """Further members of the problem that the API answers with (RFC 9457, 3.2)."""
        return {}


class ConfigurationError(ServiceError):
    """A setting is missing or contradicts another; nothing heals it but a person."""

    exit_code = 2
    title = "Configuration error"


class NoteUnreadable(ServiceError):
    """What an installation noted of itself is not what was written there."""

    title = "Note unreadable"


class InvalidParameter(ServiceError):
    """A value given by the caller is out of range or malformed."""

    http_status = 422
    exit_code = 2
    title = "Invalid parameter"


class InstanceUnknown(ServiceError):
    """The gallery holds no instance with that SOP Instance UID."""

    http_status = 404
    title = "Instance unknown"


class StudyUnknown(ServiceError):
    """The gallery holds no study with that Study Instance UID."""

    http_status = 404
    title = "Study unknown"


class SeriesUnknown(ServiceError):
    """The study holds no series with that Series Instance UID."""

    http_status = 404
    title = "Series unknown"


class PeerUnknown(ServiceError):
    """No peer of that name, or AE title, is known."""

    http_status = 404
    title = "Peer unknown"


class InstancePending(ServiceError):
    """The instance has arrived but is not embedded yet; ask again in a moment."""

    http_status = 409
    title = "Instance pending"


class StaleCursor(ServiceError):
    """The cursor continues an answer of an encoder that is no longer the active one."""

    http_status = 409
    title = "Stale cursor"


class StudyPending(ServiceError):
    """The study or series has arrived, but none of it is embedded yet; ask again in a moment."""

    http_status = 409
    title = "Study pending"


class NotSearchable(ServiceError):
    """The instance is not an image, could not be decoded, or lacks the frame asked for."""

    http_status = 422
    title = "Instance not searchable"


class NotAuthorised(ServiceError):
    """The request carries no valid API key."""

    http_status = 401
    title = "API key required"


class Unavailable(ServiceError):
    """The database or the encoder is not ready; trying again later may succeed."""

    http_status = 503
    title = "Service unavailable"


class EncoderMismatch(ServiceError):
    """The gallery was embedded by an encoder whose weights are not at hand."""

    http_status = 503
    title = "Encoder mismatch"


class UploadTooLarge(ServiceError):
    """An upload has more bytes than are taken."""

    http_status = 413
    exit_code = 2
    title = "Upload too large"


class UploadUnsupported(ServiceError):
    """An upload is nothing that can be searched by."""

    http_status = 415
    exit_code = 2
    title = "Upload not supported"


class UploadUnsearchable(ServiceError):
    """An upload, or a region of a slice, that shows nothing, is broken or lacks the frame."""

    http_status = 422
    title = "Upload not searchable"


class UploadIncomplete(ServiceError):
    """An upload did not arrive in time."""

    http_status = 408
    title = "Upload incomplete"


class EncoderUnknown(ServiceError):
    """No encoder of that number or name is registered."""

    http_status = 404
    title = "Encoder unknown"


class EncoderStateConflict(ServiceError):
    """What was asked of an encoder does not go with the state that it is in."""

    http_status = 409
    title = "Encoder state conflict"


class EncoderChanged(ServiceError):
    """Another encoder was activated, or this one given up, while its work was under way."""

    http_status = 503
    title = "Encoder changed"


class EncoderBehind(EncoderStateConflict):
    """The encoder has still to embed what arrived a moment ago; ask again in a moment."""
