import socket
from urllib.parse import quote, quote_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.service.api.conftest import Filled
from tests.support.serving import PROBLEM, problem_of

ROUTES = ("", "/similar", "/embedding", "/preview")
BAD_UIDS = [
    "%00",
    "1.2%00",
    "1.2%0a",
    "..%2f..%2fetc%2fpasswd",
    "1..2",
    ".1",
    "1.",
    "1" * 65,
    "1" * 5000,
    "1.2-3",
    "%D9%A1.%D9%A2",
    "%F0%9F%A7%A0",
    "%ff%fe",
    "'; DROP TABLE instance; --",
    "1.2%20",
    "null",
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("uid", BAD_UIDS, ids=range(len(BAD_UIDS)))
def test_what_is_no_uid_is_refused(filled: Filled, uid: str, route: str) -> None:
    response = filled.client.get(f"/v1/instances/{uid}{route}")
    # An escaped slash makes another path, which no route has.
    status = 404 if "%2f" in uid else 422
    problem_of(response, status)


@pytest.mark.parametrize(
    "parameters",
    [
        *("k=0", "k=-1", "k=501", "k=1e3", "k=", "k=five", "k=99999999999999999999", "k=1&k=x"),
        *("frame=0", "frame=-1", "frame=1000001", "frame=99999999999999999999", "frame=a"),
        *("exact=perhaps", "same_patient=2"),
        *("label=", "label=%00", "label=a%00b", "label=" + "x" * 201),
        *("modality=", "modality=%00", "modality=" + "x" * 201),
        *("plane=LEFT", "collapse=slice", "explain=2", "cursor=x", "cursor=" + "x" * 2001),
        *("study_date_from=2024", "study_date_to=31.1.2024", "age_from=-1", "age_to=x"),
        *("series_description=", "body_part=%00", "manufacturer=", "patient_sex="),
        *("study_date_to=2023-01-01&study_date_from=2024-01-01", "age_to=3&age_from=4"),
        "label=" + "&label=".join(map(str, range(51))),
    ],
)
def test_a_parameter_out_of_range_is_refused(filled: Filled, parameters: str) -> None:
    response = filled.client.get(f"/v1/instances/8.1/similar?{parameters}")
    assert parameters.partition("=")[0] in problem_of(response, 422)


@pytest.mark.parametrize("what", ["similar", "embedding"])
def test_a_frame_that_the_object_lacks_is_refused(filled: Filled, what: str) -> None:
    response = filled.client.get(f"/v1/instances/9.4/{what}?frame=4")
    assert "frames are 1 to 3" in problem_of(response, 422)


def test_a_frame_that_the_object_lacks_cannot_be_shown(filled: Filled) -> None:
    response = filled.client.get(f"/v1/instances/{filled.stored}/preview?frame=2")
    assert "has 1 frame" in problem_of(response, 422)


@pytest.mark.parametrize(
    "parameters",
    [
        "label=%F0%9F%A7%A0",
        "label=%ff%fe",
        "label=%ED%A0%80",
        "label=%25s%28name%29s%3A1",
        "modality=%5C",
        "unknown=%00",
    ],
)
def test_odd_parameters_are_only_values(filled: Filled, parameters: str) -> None:
    response = filled.client.get(f"/v1/instances/8.1/similar?{parameters}")
    assert response.status_code == 200
    assert response.json()["complete"] is True


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/instances", "/v1/instances/", "/docs", "/%00"])
def test_a_path_without_a_route_is_a_problem(filled: Filled, path: str) -> None:
    problem_of(filled.client.get(path), 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(filled: Filled, method: str) -> None:
    response = filled.client.request(method, "/v1/instances/8.1")
    problem_of(response, 405)
    assert response.headers["allow"] == "GET"


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /v1/instances/8.1/similar?label=\xff\xfe HTTP/1.1",
        b"GET /v1/instances/\xc3\xa4 HTTP/1.1",
        b"GET //v1/instances/8.1 HTTP/1.1",
        b"GET /v1/instances/8.1/../../../etc/passwd HTTP/1.1",
        b"NONSENSE /v1/instances/8.1 HTTP/1.1",
    ],
)
def test_bytes_that_no_client_library_sends(filled: Filled, request_line: bytes) -> None:
    url = filled.client.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=60) as connection:
        connection.sendall(request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    status = int(answer.split()[1])
    assert 200 <= status < 500
    # What the server itself finds unreadable never reaches the application.
    if status not in (200, 400):
        assert PROBLEM.encode() in answer


NUMBERS = st.integers().map(str) | st.text(max_size=5)
NAMES = st.sampled_from(["k", "frame", "same_patient", "modality", "label", "exact"])
RAW_UIDS = st.binary(max_size=70).map(lambda raw: quote_from_bytes(raw, safe=""))
PARAMETERS = st.lists(st.tuples(NAMES, NUMBERS | st.binary(max_size=9).map(repr)), max_size=4)


@settings(deadline=None, max_examples=200)
@given(
    uid=st.sampled_from(["8.1", "9.1", "9.2", "9.4"]) | RAW_UIDS,
    route=st.sampled_from(ROUTES[:3]),
    parameters=PARAMETERS,
)
def test_no_request_is_an_internal_error(
    filled: Filled, uid: str, route: str, parameters: list[tuple[str, str]]
) -> None:
    encoded = "&".join(
        f"{name}={quote(value, safe='', errors='surrogatepass')}" for name, value in parameters
    )
    response = filled.client.get(f"/v1/instances/{uid}{route}?{encoded}")
    # A path that ends in a slash is sent to the one without.
    assert response.status_code in (200, 307, 404, 409, 422)
    if response.status_code >= 400:
        problem_of(response, response.status_code)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "localhost", "LOCALHOST:80", "[::1]:8000", "127.9.9.9"]
)
def test_our_own_names_are_answered_to(filled: Filled, host: str) -> None:
    assert filled.client.get("/v1/instances/8.1", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "192.168.1.7", "", "[::1", "a b", "localhost@evil"],
)
def test_a_name_that_somebody_points_at_this_machine_is_not(filled: Filled, host: str) -> None:
    """A web page cannot read the gallery by DNS rebinding while no key is asked for."""
    response = filled.client.get("/v1/instances/8.1", headers={"Host": host})
    assert "localhost" in problem_of(response, 421)
