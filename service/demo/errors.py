"""What can go wrong with the demo."""

from service.errors import ServiceError


class DemoError(ServiceError):
    """The demo cannot go on; the message says what to look at."""
