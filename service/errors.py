"""The service's error tree: each member knows its HTTP status and the command's exit code."""


class ServiceError(Exception):
    """Something a user or an administrator can act on; the message says how."""

    http_status = 500
    exit_code = 1
    title = "Internal error"


class ConfigurationError(ServiceError):
    """A setting is missing or contradicts another; nothing heals it but a person."""

    exit_code = 2
    title = "Configuration error"


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
