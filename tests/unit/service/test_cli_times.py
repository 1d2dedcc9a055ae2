from datetime import datetime, timedelta

import pytest

from service.cli.times import parse_since
from service.errors import InvalidParameter
from tests.support.association_records import AT


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("1h", timedelta(hours=1)),
        ("2d", timedelta(days=2)),
        ("1w", timedelta(days=7)),
        (" 1h ", timedelta(hours=1)),
    ],
)
def test_a_while_ago(text: str, ago: timedelta) -> None:
    assert parse_since(text, AT) == AT - ago


def test_a_date_is_midnight_here_and_a_zone_counts() -> None:
    assert parse_since("2024-01-31", AT) == datetime(2024, 1, 31).astimezone()
    assert parse_since("2024-01-31T12:00:30+00:00", AT) == AT


@pytest.mark.parametrize(
    "text", ["", "1", "h", "yesterday", "-1h", "1.5h", "2024-13-01", "999999w"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="is no time"):
        parse_since(text, AT)
