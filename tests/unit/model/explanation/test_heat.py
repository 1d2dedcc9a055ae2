import numpy as np
import pytest
import torch

from model.evaluation.faithfulness import points_into
from model.explanation.heat import PairHeat, pair_heat, smooth
from model.fold import fold_batch_norm
from model.msnet import MSNet, MSNetConfig
from tests.unit.model.explanation import squares


@pytest.fixture(scope="module", params=[(1, False), (2, False), (1, True), (2, True)])
def network(request: pytest.FixtureRequest) -> MSNet:
    stem_block, mirrored = request.param
    return squares.network(stem_block, mirrored=mirrored)


def explained(network: MSNet, *, background: bool = False) -> PairHeat:
    pictures = squares.tensors(squares.square((6, 8), seed=1), squares.square((40, 44), seed=2))
    usual = usual_coordinates(network) if background else None
    return pair_heat(network, squares.basis_r(network), pictures, usual)


def usual_coordinates(network: MSNet) -> torch.Tensor:
    with torch.no_grad():
        plain = squares.tensors(*(squares.plain(seed) for seed in range(5, 11)))
        return network.coordinates(plain, squares.basis_r(network)).mean(dim=0)


def test_heat_covers_both_slices_from_zero_to_one(network: MSNet) -> None:
    found = explained(network)
    assert found.heat.shape == (2, squares.SIZE, squares.SIZE)
    assert found.heat.dtype == torch.float32
    assert torch.isfinite(found.heat).all()
    assert found.heat.min() >= 0
    assert found.heat.amax(dim=(1, 2)).tolist() == pytest.approx([1, 1])
    assert not found.heat.requires_grad


def test_it_is_the_similarity_of_the_embeddings_that_is_explained(network: MSNet) -> None:
    pictures = squares.tensors(squares.square((6, 8), seed=1), squares.square((40, 44), seed=2))
    with torch.no_grad():
        one, other = network.embed(pictures)
    assert explained(network).similarity.item() == pytest.approx((one @ other).item(), abs=1e-5)


def test_scales_and_constant_sum_to_the_similarity(network: MSNet) -> None:
    found = explained(network)
    sums = found.contributions.sum(dim=1) + found.constant
    assert sums.tolist() == pytest.approx([found.similarity.item()] * 2, abs=1e-5)


def test_a_scale_that_is_not_pooled_adds_nothing() -> None:
    torch.manual_seed(1)
    config = MSNetConfig(widths=(4, 8, 16), depths=(1, 1, 1), pooled_scales=(2,), embedding_dim=64)
    found = explained(MSNet(config).eval())
    assert found.contributions[:, :2].abs().max() == 0
    assert found.contributions[:, 2].abs().min() > 0


@pytest.mark.parametrize("background", [False, True])
def test_it_points_at_what_drives_the_similarity(network: MSNet, background: bool) -> None:
    heat = explained(network, background=background).heat.numpy()
    assert points_into(heat[0], squares.box((6, 8)))
    assert points_into(heat[1], squares.box((40, 44)))


def test_a_slice_and_itself_have_the_same_heat(network: MSNet) -> None:
    picture = squares.square((10, 42))
    found = pair_heat(network, squares.basis_r(network), squares.tensors(picture, picture))
    assert found.similarity.item() == pytest.approx(1, abs=1e-5)
    assert found.heat[0].max() == 1
    torch.testing.assert_close(found.heat[0], found.heat[1])


def test_a_slice_and_its_mirror_image_have_mirrored_heat() -> None:
    network = squares.network(stem_block=2, mirrored=True)
    picture = squares.square((10, 42))
    pictures = squares.tensors(picture, picture[:, ::-1])
    found = pair_heat(network, squares.basis_r(network), pictures, usual_coordinates(network))
    assert found.similarity.item() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(found.heat[1], found.heat[0].flip(-1), rtol=0, atol=1e-4)
    assert points_into(found.heat[0].numpy(), squares.box((10, 42)))


def test_exchanged_slices_exchange_their_heat(network: MSNet) -> None:
    pictures = squares.tensors(squares.square((6, 8), seed=1), squares.square((40, 44), seed=2))
    r = squares.basis_r(network)
    there, back = pair_heat(network, r, pictures), pair_heat(network, r, pictures.flip(0))
    torch.testing.assert_close(there.heat, back.heat.flip(0), rtol=0, atol=1e-4)
    torch.testing.assert_close(there.contributions, back.contributions.flip(0))


def test_nothing_stays_behind(network: MSNet) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    pictures = squares.tensors(squares.square((6, 8)), squares.plain())
    with torch.no_grad():
        pair_heat(network, squares.basis_r(network), pictures)
        assert not torch.is_grad_enabled()
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not pictures.requires_grad
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_folded_networks_are_explained_alike(network: MSNet) -> None:
    folded = fold_batch_norm(network)
    torch.testing.assert_close(explained(folded).heat, explained(network).heat, rtol=0, atol=1e-3)


def test_blank_slices_give_finite_heat(network: MSNet) -> None:
    blank = np.zeros((squares.SIZE, squares.SIZE), np.float32)
    found = pair_heat(network, squares.basis_r(network), squares.tensors(blank, blank))
    assert torch.isfinite(found.heat).all()


def test_smoothing_keeps_the_mean_and_the_place() -> None:
    picture = torch.zeros(1, 1, 41, 41)
    picture[0, 0, 20, 12] = 1
    found = smooth(picture, 3.0)
    assert found.sum().item() == pytest.approx(1, abs=1e-5)
    assert divmod(int(found.argmax()), 41) == (20, 12)
    assert found[0, 0, 20, 15] / found.max() == pytest.approx(np.exp(-0.5), abs=1e-4)


def test_smoothing_may_reach_farther_than_the_picture() -> None:
    even = torch.ones(1, 1, 4, 4)
    torch.testing.assert_close(smooth(even, 10.0), even)
