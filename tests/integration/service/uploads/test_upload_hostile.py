"""Uploads that are too large, broken, poisonous or too many: problems, and never a 500."""

import socket
import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import ComprehensiveSRStorage, DeflatedExplicitVRLittleEndian

from service.api.uploading import UploadGate
from service.errors import Unavailable
from service.settings import HttpSettings
from tests.support.objects import ct_dataset
from tests.support.serving import problem_of, serving
from tests.support.uploads import (
    DICOM,
    UploadGallery,
    dicom_bytes,
    head_pixels,
    picture_bytes,
)

_FINE = {200, 413, 415, 422}
_GOOD = {
    "dicom": dicom_bytes(ct_dataset(pixels=head_pixels(1))),
    "png": picture_bytes(head_pixels(1).astype(np.uint16)),
    "jpeg": picture_bytes((head_pixels(1) // 8).astype(np.uint8), "JPEG"),
}


def refusal(gallery: UploadGallery, data: bytes, status: int, kind: str = "application/dicom"):
    response = gallery.client.post("/v1/search", content=data, headers={"Content-Type": kind})
    return problem_of(response, status)


def begin_upload(client: httpx.Client, *, announced: int, sent: bytes = b"") -> socket.socket:
    """A request that has come so far."""
    sender = socket.create_connection((client.base_url.host, client.base_url.port or 80))
    head = "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    sender.sendall(f"{head}Content-Length: {announced}\r\n\r\n".encode() + sent)
    return sender


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(width: int, height: int, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", header), *chunks, chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_an_announced_size_is_refused_before_a_byte_comes(gallery: UploadGallery) -> None:
    with socket.create_connection(
        (gallery.client.base_url.host, gallery.client.base_url.port)
    ) as s:
        head = "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        s.sendall(f"{head}Content-Length: {2 << 20}\r\n\r\n".encode())
        answer = b""
        while b"At most 1 MiB are taken" not in answer and (piece := s.recv(65536)):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"At most 1 MiB are taken" in answer


def test_a_size_that_was_not_announced_is_refused_as_it_comes(gallery: UploadGallery) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(20):
            yield bytes(1 << 16)

    response = gallery.client.post("/v1/search", content=endless(), headers=DICOM)
    assert "At most 1 MiB" in problem_of(response, 413)


def test_json_may_be_small_only(gallery: UploadGallery) -> None:
    words = refusal(gallery, b" " * (1 << 17), 413, "application/json")
    assert "At most 64 KiB" in words


@pytest.mark.parametrize(
    "kind",
    ["multipart/form-data; boundary=x", "text/plain", "application/x-www-form-urlencoded", "image"],
)
def test_forms_and_texts_are_told_how_to_send(gallery: UploadGallery, kind: str) -> None:
    assert "Send the file itself" in refusal(gallery, _GOOD["dicom"], 415, kind)


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a" + bytes(300), b"%PDF-1.7" + bytes(300), b"II*\x00" + bytes(300)]
)
def test_what_is_no_image_of_a_known_kind_is_refused(gallery: UploadGallery, data: bytes) -> None:
    assert "no DICOM file, PNG or JPEG" in refusal(gallery, data, 415)


@pytest.mark.parametrize("kind", ["application/dicom", "image/png"])
def test_the_bytes_say_what_a_file_is(gallery: UploadGallery, kind: str) -> None:
    for name, data in _GOOD.items():
        response = gallery.client.post("/v1/search", content=data, headers={"Content-Type": kind})
        assert response.status_code == 200, response.text
        assert response.json()["query"]["kind"] == name


def test_a_picture_that_would_fill_the_memory_is_refused(gallery: UploadGallery) -> None:
    bomb = png_of(60000, 60000, chunk(b"IDAT", zlib.compress(bytes(1000))))
    assert "60000 x 60000 pixels" in refusal(gallery, bomb, 422, "image/png")


def test_text_in_a_picture_that_would_fill_the_memory_is_refused(gallery: UploadGallery) -> None:
    text = chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(200 << 20)))
    bomb = png_of(64, 64, text, chunk(b"IDAT", zlib.compress(bytes(65 * 64))))
    assert "cannot be decoded" in refusal(gallery, bomb, 422, "image/png")


def test_a_deflated_dataset_that_would_fill_the_memory_is_refused(gallery: UploadGallery) -> None:
    whole = dicom_bytes(ct_dataset(), DeflatedExplicitVRLittleEndian)
    plain = dicom_bytes(ct_dataset())
    begin = next(n for n in range(200, 600) if whole[n:][:1] and _inflates(whole[n:]))
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    element = struct.pack("<HH2sHI", 0x0009, 0x1010, b"OB", 0, 300 << 20)
    parts = [packer.compress(element), *(packer.compress(bytes(1 << 20)) for _ in range(300))]
    bomb = whole[:begin] + b"".join(parts) + packer.flush()
    assert len(bomb) < 1 << 20 < len(plain) << 10
    assert "larger than 256 MiB" in refusal(gallery, bomb, 422)


def _inflates(data: bytes) -> bool:
    try:
        return zlib.decompress(data, -zlib.MAX_WBITS)[:2] == b"\x08\x00"
    except zlib.error:
        return False


def test_objects_that_show_nothing_are_refused(gallery: UploadGallery) -> None:
    report = ct_dataset(SOPClassUID=ComprehensiveSRStorage, Modality="SR", PixelData=None)
    assert "not an image" in refusal(gallery, dicom_bytes(report), 422)
    even = ct_dataset(pixels=np.full((64, 64), 40, np.int16))
    assert "shows nothing" in refusal(gallery, dicom_bytes(even), 422)
    assert "shows nothing" in refusal(gallery, picture_bytes(np.zeros((9, 9), np.uint8)), 422)
    assert "one frame, not 2" in problem_of(
        gallery.client.post("/v1/search", content=_GOOD["png"], headers=DICOM, params={"frame": 2}),
        422,
    )


def test_a_dataset_that_names_no_instance_is_refused(gallery: UploadGallery) -> None:
    nameless = ct_dataset()
    data = dicom_bytes(nameless).replace(b"\x08\x00\x18\x00UI", b"\x08\x00\x19\x00UI")
    assert "SOP Instance UID" in refusal(gallery, data, 422)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from([b"", *_GOOD.values()]), st.binary(max_size=400), st.floats(0, 1))
def test_any_bytes_are_an_answer_or_a_problem(
    gallery: UploadGallery, good: bytes, noise: bytes, share: float
) -> None:
    place = int(share * len(good))
    data = good[:place] + noise + good[place + len(noise) :]
    response = gallery.client.post("/v1/search", content=data, headers=DICOM)
    assert response.status_code in _FINE, response.text
    if response.status_code != 200:
        problem_of(response, response.status_code)


@pytest.mark.parametrize("kind", _GOOD)
def test_files_that_are_cut_off_are_an_answer_or_a_problem(
    gallery: UploadGallery, kind: str
) -> None:
    data = _GOOD[kind]
    for length in range(0, len(data), max(1, len(data) // 12)):
        response = gallery.client.post("/v1/search", content=data[:length], headers=DICOM)
        # The last bytes of a picture may be no part of its pixels.
        assert response.status_code in _FINE, (length, response.text)


def test_too_many_at_once_are_told_to_come_again(gallery: UploadGallery) -> None:
    gate = gallery.resources.uploads
    with ExitStack() as stack:
        with suppress(Unavailable):
            while True:
                stack.enter_context(gate.place())
        response = gallery.client.post("/v1/search", content=_GOOD["png"], headers=DICOM)
        assert "Too many uploads" in problem_of(response, 503)
        assert response.headers["retry-after"] == "5"
    assert gallery.client.post("/v1/search", content=_GOOD["png"], headers=DICOM).is_success


def test_a_sender_that_stops_sending_is_given_up(gallery: UploadGallery) -> None:
    impatient = UploadGate(HttpSettings(upload_timeout_s=0.2), places=1)
    with serving(replace(gallery.resources, uploads=impatient)) as client:
        with begin_upload(client, announced=1000, sent=_GOOD["png"][:50]) as slow:
            answer = slow.recv(65536)
        assert answer.startswith(b"HTTP/1.1 408 ")
        _use_again(client)


def test_a_sender_that_is_gone_leaves_its_place(gallery: UploadGallery) -> None:
    patient = UploadGate(HttpSettings(), places=1)
    with serving(replace(gallery.resources, uploads=patient)) as client:
        begin_upload(client, announced=1000, sent=_GOOD["png"][:50]).close()
        _use_again(client)


def _use_again(client: httpx.Client) -> None:
    """The only place is free again, sooner or later."""
    for _ in range(200):
        response = client.post("/v1/search", content=_GOOD["png"], headers=DICOM)
        if response.status_code != 503:
            break
    assert response.status_code == 200, response.text
