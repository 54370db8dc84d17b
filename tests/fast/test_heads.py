"""Heads of embeddings: what they compute, by hand; how they come off; and what they refuse."""

import numpy as np
import pytest
import torch

from mlcourse.fast import heads, networks

EMBEDDING = networks.mlp((2, 5, 3))
X = torch.as_tensor(np.random.default_rng(1).normal(size=(4, 2)))


def start(network: networks.Network) -> networks.Params:
    return network.init(np.random.default_rng(0))


def test_a_linear_head_is_a_matrix_product():
    network = heads.classifier(EMBEDDING, 7)
    params = start(network)
    z = EMBEDDING.apply(heads.without_head(params), X)
    torch.testing.assert_close(network.apply(params, X), z @ params["head.w"] + params["head.b"])
    assert network.outputs == 7 and params["head.w"].shape == (3, 7)


def test_a_head_of_cosines_scores_angles_times_its_scale():
    network = heads.classifier(EMBEDDING, 7, "cosine")
    params = start(network)
    z = EMBEDDING.apply(heads.without_head(params), X)
    cosines = torch.nn.functional.cosine_similarity(z[:, :, None], params["head.w"][None], dim=1)
    torch.testing.assert_close(network.apply(params, X), 10.0 * cosines)
    longer = params | {"head.w": 3 * params["head.w"], "head.scale": 2 * params["head.scale"]}
    torch.testing.assert_close(network.apply(longer, X), 20.0 * cosines)


def test_without_its_head_it_is_the_embedding():
    params = start(heads.classifier(EMBEDDING, 7))
    assert heads.without_head(params).keys() == start(EMBEDDING).keys()


def test_a_learned_length_makes_all_points_equally_long():
    network = heads.of_learned_length(EMBEDDING)
    params = start(network) | {"head.scale": torch.tensor([4.0], dtype=torch.float64)}
    z = network.apply(params, X)
    torch.testing.assert_close(z.norm(dim=1), torch.full((4,), 4.0, dtype=torch.float64))
    raw = EMBEDDING.apply(heads.without_head(params), X)
    torch.testing.assert_close(z / 4, raw / raw.norm(dim=1, keepdim=True))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: heads.classifier(EMBEDDING, 1), "n_classes"),
        (lambda: heads.classifier(EMBEDDING, 5, "cosines"), "head"),
        (lambda: heads.classifier(networks.Network(EMBEDDING.init, EMBEDDING.apply), 5), "outputs="),
    ],
)
def test_what_it_refuses(call, words):
    with pytest.raises(ValueError, match=words):
        call()
