"""Repairing while encoders change: what another encoder's rows lack is none of its business."""

from tests.integration.service.verifying.conftest import *  # noqa: F403
