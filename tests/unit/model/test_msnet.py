"""The network: shapes, unit length and the lossless basis."""

from dataclasses import replace

import pytest
import torch

from model.gem import GeM
from model.msnet import BaseModule, MSNet, MSNetConfig
from tests.unit.model.made import TINY, network


@pytest.fixture(scope="module")
def size_s() -> MSNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return MSNet().eval()


def images(count: int, side: int = 32) -> torch.Tensor:
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(3))


def test_size_s_has_the_paper_s_embedding_and_about_a_million_weights(size_s: MSNet) -> None:
    assert size_s.config.coordinate_dim == 225
    assert size_s.embedding.out_features == 4096
    assert 1_200_000 < sum(p.numel() for p in size_s.parameters()) < 1_300_000


@torch.no_grad()
def test_embeddings_have_unit_length(size_s: MSNet) -> None:
    embeddings = size_s.embed(images(3))

    assert embeddings.shape == (3, 4096)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))


@torch.no_grad()
def test_coordinates_keep_every_distance(size_s: MSNet) -> None:
    q, r = size_s.basis()
    batch = images(6)

    embeddings = size_s.double().embed(batch.double())
    coordinates = size_s.coordinates(batch.double(), r)
    size_s.float()

    assert q.shape == (4096, 225)
    assert r.shape == (225, 225)
    torch.testing.assert_close(q.T @ q, torch.eye(225).double(), atol=1e-12, rtol=0)
    expected = torch.cdist(embeddings, embeddings, compute_mode="donot_use_mm_for_euclid_dist")
    found = torch.cdist(coordinates, coordinates, compute_mode="donot_use_mm_for_euclid_dist")
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(coordinates @ q.T, embeddings, atol=1e-6, rtol=0)


def test_the_basis_does_not_depend_on_the_signs_of_qr() -> None:
    _, r = network().basis()

    assert (torch.diagonal(r) > 0).all()


@torch.no_grad()
def test_each_scale_reaches_the_embedding() -> None:
    made = network()
    base = made(images(2))

    for scale in made.scales:
        before = {name: tensor.clone() for name, tensor in scale.state_dict().items()}
        for parameter in scale.parameters():
            parameter.mul_(1.5)
        assert not torch.allclose(made(images(2)), base)
        scale.load_state_dict(before)
    torch.testing.assert_close(made(images(2)), base)


def test_gem_is_the_mean_at_one_and_nears_the_maximum() -> None:
    x = torch.rand(2, 3, 5, 5) + 0.1

    torch.testing.assert_close(GeM(p=1.0)(x), x.mean(dim=(-2, -1)))
    torch.testing.assert_close(GeM(p=200.0)(x), x.amax(dim=(-2, -1)), rtol=0.02, atol=0)


def test_gem_has_the_gradients_of_its_formula() -> None:
    pool = GeM().double()
    generator = torch.Generator().manual_seed(5)
    x = torch.rand(2, 3, 4, 4, dtype=torch.double, generator=generator) + 0.1
    x.requires_grad_()

    def pooled(x: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(pool, {"p": p}, (x,))

    assert torch.autograd.gradcheck(pooled, (x, pool.p))


@torch.no_grad()
def test_the_scales_are_pooled_in_the_order_of_the_config() -> None:
    made = network()
    maps = made.maps(images(2))
    sides = [part.shape[-1] for part in maps]

    assert sides == [32, 16, 8]
    assert [part.shape[1] for part in maps] == list(TINY.widths)
    torch.testing.assert_close(made.pool(maps), made.features(images(2)))


@torch.no_grad()
@pytest.mark.parametrize(
    ("changes", "features"),
    [
        ({"concat": False}, 28),
        ({"pooled_scales": (2,)}, 16),
        ({"stem_block": 2}, 28),
        ({"dilations": (1, 2)}, 28),
    ],
)
def test_other_shapes_work(changes: dict[str, object], features: int) -> None:
    config = replace(TINY, depths=(1, 1, 2), **changes)
    made = MSNet(config).eval()

    assert config.feature_dim == features
    assert made(images(2)).shape == (2, 64)


@torch.no_grad()
def test_without_the_concat_a_base_module_is_as_wide() -> None:
    x = torch.rand(2, 4, 8, 8)

    assert BaseModule(4, 8)(x).shape == BaseModule(4, 8, concat=False)(x).shape == (2, 8, 8, 8)


@torch.no_grad()
def test_dilation_widens_what_a_base_module_sees() -> None:
    def reach(dilation: int) -> int:
        module = BaseModule(4, 4, dilation).eval()
        for parameter in module.parameters():
            parameter.fill_(1.0)
        x = torch.zeros(1, 4, 33, 33)
        x[0, 0, 16, 16] = 1.0
        change = (module(x) - module(torch.zeros_like(x)))[0].abs().sum(dim=(0, 1))
        columns = change.nonzero()
        return int(columns.max() - columns.min()) + 1

    assert (reach(1), reach(2)) == (7, 13)


def test_a_config_knows_its_dimensions() -> None:
    config = MSNetConfig(widths=(8, 16, 32))

    assert (config.feature_dim, config.coordinate_dim) == (56, 57)


def test_dropped_paths_pass_the_input_on_and_keep_the_mean() -> None:
    module = BaseModule(8, 8, drop_path=0.25)
    seen = torch.ones(4000, 8, 1, 1)
    torch.manual_seed(1)

    dropped = module._dropped(seen)

    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.05)
    assert (dropped[:, :1] == dropped).all()


def test_paths_are_dropped_in_training_alone_and_more_of_them_further_in() -> None:
    dropping = MSNet(replace(TINY, drop_path=0.3))
    shares = [m.drop_path for m in dropping.modules() if isinstance(m, BaseModule)]
    x = images(32)

    assert shares[0] == 0
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(0.3)
    assert not torch.equal(dropping(x), dropping(x))
    assert torch.equal(dropping.eval()(x), dropping(x))
