"""Repairing while encoders change: what another encoder's rows lack is none of its business."""

import pytest
from sqlalchemy import Engine, text

from service.encoders.registry import ActiveEncoder, find_active, register
from service.errors import EncoderChanged
from service.verifying.repairing import repair
from tests.integration.service.verifying.conftest import *  # noqa: F403
