"""Why two slices are alike, asked over HTTP of a gallery that a real worker embedded."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import create_engine

from dicom_node.importing import import_file
from service.decoding import DecodePool
from service.embedders import Embedders
from service.explaining import EncoderFiles
from service.metrics import WorkerMetrics
from service.opening import object_store, receiver
from service.processes.worker import load_encoder
from service.settings import EncoderSettings, Settings, WorkerSettings
from service.shifts import Shifts
from tests.integration.service.api.conftest import (
    FAILED,
    MULTI_FRAME,
    PENDING,
    UNSUPPORTED,
    Filled,
    resources_of,
)
from tests.support.databases import fresh_database
from tests.support.encoders import tiny_checkpoint
from tests.support.objects import ct_dataset, write_file
from tests.support.serving import problem_of, serving


@dataclass(frozen=True, repr=False)
class Embedded:
    """A gallery of CT slices of different shapes; `lost` has lost its file.

    Its encoder sees slices as they are, or with their mirror images too, as those that ship do.
    """

    client: httpx.Client
    first: str
    second: str
    lost: str


def head(shape: tuple[int, int], spot: tuple[int, int], slant: int) -> np.ndarray:
    """A head of brain tissue with something bright in it, as stored values.

    It is striped, falling or rising by its `slant`: its mirror image is another picture.
    """
    rows, columns = np.indices(shape)
    middle = np.array(shape) / 2
    inside = ((rows - middle[0]) / middle[0]) ** 2 + ((columns - middle[1]) / middle[1]) ** 2 < 0.8
    pixels = np.where(inside, 1024 + 35, 24) + np.random.default_rng(1).integers(0, 8, shape)
    pixels[inside & ((rows + slant * columns) % 8 < 4)] += 30
    pixels[spot[0] : spot[0] + 8, spot[1] : spot[1] + 8] = 1024 + 75
    return pixels.astype(np.int16)


@pytest.fixture(scope="module", params=[False, True], ids=["as they are", "mirrored"])
def gallery(
    request: pytest.FixtureRequest,
    cluster_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    decode_pool: DecodePool,
) -> Iterator[Embedded]:
    folder = tmp_path_factory.mktemp("explained")
    checkpoint_file = tiny_checkpoint(folder, mirrored=request.param)
    pictures = [
        head((64, 64), (20, 36), slant=1),
        head((80, 48), (30, 14), slant=-1),
        head((64, 64), (40, 20), slant=1),
    ]
    datasets = [ct_dataset(pixels=p, patient_id=f"ZQ-{n}") for n, p in enumerate(pictures)]
    uids = [str(dataset.SOPInstanceUID) for dataset in datasets]
    with fresh_database(cluster_url) as url:
        engine = create_engine(url)
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            state_dir=folder,
            database={"url": url},  # type: ignore[arg-type]
            encoder=EncoderSettings(checkpoint=checkpoint_file),
            worker=WorkerSettings(decode_processes=1),
        )
        take, store = receiver(settings, engine), object_store(settings)
        for number, dataset in enumerate(datasets):
            import_file(take, write_file(folder / f"{number}.dcm", dataset))
        load_encoder(engine, settings)
        embedders = Embedders(engine, settings)
        Shifts(engine, store, embedders, settings, WorkerMetrics()).run(once=True)
        # The API finds the weights that the gallery keeps, whatever its own settings say.
        files = EncoderFiles(settings.state_dir, EncoderSettings())
        with engine.connect() as connection:
            name = connection.exec_driver_sql(
                f"SELECT file_name FROM instance WHERE sop_instance_uid = '{uids[2]}'"
            ).scalar_one()
        store.path(name).unlink()
        with serving(resources_of(engine, store, decode_pool, encoder_files=files)) as client:
            yield Embedded(client, *uids)
        engine.dispose()


def path(first: str, second: str) -> str:
    return f"/v1/instances/{first}/similar/{second}/explanation"


def test_a_picture_shows_both_slices(gallery: Embedded) -> None:
    response = gallery.client.get(path(gallery.first, gallery.second))
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(response.content)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        # 64 x 64 and, after a gap, 80 x 48 in panels of 512.
        assert image.size == (512 + 8 + round(48 * 512 / 80), 512)
        colours = np.asarray(image, np.int16)
    assert (colours[..., 0] - colours[..., 2]).max() > 50
    assert b"Nobody" not in response.content


@pytest.mark.parametrize("way", [{"params": {"format": "json"}}, {"headers": {}}])
def test_numbers_are_the_similarity_and_where_it_comes_from(
    gallery: Embedded, way: dict[str, dict[str, str]]
) -> None:
    if "headers" in way:
        way = {"headers": {"Accept": "application/json"}}
    response = gallery.client.get(path(gallery.first, gallery.second), **way)
    assert response.status_code == 200, response.text
    body = response.json()
    assert set(body) == {"encoder", "similarity", "slices"}
    first, second = body["slices"]
    assert (first["sop_instance_uid"], second["sop_instance_uid"]) == (
        gallery.first,
        gallery.second,
    )
    assert (first["rows"], first["columns"]) == (64, 64)
    assert (second["rows"], second["columns"]) == (80, 48)
    for side in (first, second):
        heat = np.array(side["heat"])
        assert heat.shape == (32, 32)
        assert heat.min() >= 0
        assert 0.3 < heat.max() <= 1
        assert sum(side["scales"]) + side["constant"] == pytest.approx(body["similarity"], abs=1e-4)
        x, y = side["hottest"]
        assert 0 <= x < side["columns"]
        assert 0 <= y < side["rows"]


def test_the_similarity_is_that_of_the_search(gallery: Embedded) -> None:
    found = gallery.client.get(f"/v1/instances/{gallery.first}/similar").json()
    distances = {n["sop_instance_uid"]: n["distance"] for n in found["neighbours"]}
    body = gallery.client.get(path(gallery.first, gallery.second), params={"format": "json"}).json()
    assert body["encoder"] == found["encoder"]
    expected = 1 - distances[gallery.second] ** 2 / 2
    assert body["similarity"] == pytest.approx(expected, abs=1e-5)


def test_png_wins_where_both_are_welcome(gallery: Embedded) -> None:
    headers = {"Accept": "image/png, application/json;q=0.5"}
    response = gallery.client.get(path(gallery.first, gallery.second), headers=headers)
    assert response.headers["content-type"] == "image/png"


def test_a_slice_can_be_asked_about_itself(gallery: Embedded) -> None:
    body = gallery.client.get(path(gallery.first, gallery.first), params={"format": "json"}).json()
    assert body["similarity"] == pytest.approx(1, abs=1e-4)
    assert body["slices"][0] == body["slices"][1]


def test_a_file_that_is_gone_is_a_problem(gallery: Embedded) -> None:
    response = gallery.client.get(path(gallery.first, gallery.lost))
    assert "The second slice cannot be shown" in problem_of(response, 422)


@pytest.mark.parametrize("parameter", ["frame", "other_frame"])
def test_a_frame_that_is_not_there_is_a_problem(gallery: Embedded, parameter: str) -> None:
    url = path(gallery.first, gallery.second)
    assert "no frame 2" in problem_of(gallery.client.get(url, params={parameter: 2}), 422)
    assert parameter in problem_of(gallery.client.get(url, params={parameter: 0}), 422)


def test_another_format_is_a_problem(gallery: Embedded) -> None:
    url = path(gallery.first, gallery.second)
    assert "format" in problem_of(gallery.client.get(url, params={"format": "gif"}), 422)


@pytest.mark.parametrize(
    ("uid", "status", "words"),
    [
        ("1.2.3", 404, "no instance 1.2.3"),
        ("no-uid", 422, "sop_instance_uid"),
        (PENDING, 409, "not embedded yet"),
        (UNSUPPORTED, 422, "unsupported: not an image"),
        (FAILED, 422, "failed: the decoder crashed on it"),
    ],
)
def test_what_has_no_embedding_is_a_problem_on_either_side(
    filled: Filled, uid: str, status: int, words: str
) -> None:
    good = filled.embedded[0].sop_instance_uid
    for url in (path(uid, good), path(good, uid)):
        assert words in problem_of(filled.client.get(url), status)


def test_weights_that_are_nowhere_are_a_problem(filled: Filled) -> None:
    response = filled.client.get(path(MULTI_FRAME, filled.embedded[0].sop_instance_uid))
    problem_of(response, 503)
    assert response.headers["retry-after"] == "5"
