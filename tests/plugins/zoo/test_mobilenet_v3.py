import torch
from tests.plugins.zoo.models import on_meta
from torch import nn


def test_nothing_else_is_adapted():
    model = on_meta("mobilenet_v3_small")
    assert model.adapted("classifier.0.weight", torch.zeros(1024, 576, 3, 3)) is None
    assert model.adapted("classifier.3.weight", torch.zeros(1000, 1024, 1, 1)) is None


def test_expansions_are_the_tables_ratio_of_the_channels_there_are():
    block = on_meta("mobilenet_v3_small_x0_5").features[3].block
    assert block[0][0].weight.shape == (56, 16, 1, 1)  # 16 * 88 / 24, to a multiple of 8


def test_batch_norm_is_as_the_paper_has_it_and_an_option():
    norms = [m for m in on_meta("mobilenet_v3_large").modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(0.001, 0.01)}
    other = on_meta("mobilenet_v3_large", norm_epsilon=1e-5, norm_momentum=0.1)
    assert {(m.eps, m.momentum) for m in other.modules() if isinstance(m, nn.BatchNorm2d)} == {(1e-5, 0.1)}
