"""One update is the update of the whole global batch, however it is shared."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from imgcls.train.criterion import Supervised
from imgcls.train.step import Step, autocast, seed_step, set_rate


class NoStep(torch.optim.SGD):
    """Keeps the gradients of the one step that it does not make."""

    def step(self):
        self.kept = [parameter.grad.clone() for group in self.param_groups for parameter in group["params"]]


def gradients(images, labels, share):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    optimizer = NoStep(model.parameters(), lr=1.0)

    class Double(nn.CrossEntropyLoss):
        def forward(self, logits, labels):
            return super().forward(logits.double(), labels)

    Step(model, Supervised(Double()), optimizer, nullcontext)(images, labels, share)
    assert all(parameter.grad is None for parameter in model.parameters())
    return optimizer.kept


@pytest.mark.parametrize("parts", [(6, 7), (1, 12), (4, 4, 5), (3, 3, 3, 4)])
def test_averaged_gradients_of_uneven_shares_are_those_of_the_global_mean(parts):
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(13, 1, 3, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (13,), generator=generator)
    whole = gradients(images, labels, 1)
    shared = [
        gradients(x, y, len(y) * len(parts) / 13)
        for x, y in zip(images.split(parts), labels.split(parts), strict=True)
    ]
    naive = [gradients(x, y, 1) for x, y in zip(images.split(parts), labels.split(parts), strict=True)]
    for number, expected in enumerate(whole):
        averaged = torch.stack([rank[number] for rank in shared]).mean(0)
        assert torch.allclose(averaged, expected, rtol=1e-5, atol=1e-7)  # logits pass through float32
        assert not torch.allclose(torch.stack([rank[number] for rank in naive]).mean(0), expected, rtol=1e-3)


def test_a_step_returns_the_unscaled_loss_and_detached_logits():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    images, labels = torch.randn(5, 1, 2, 2), torch.tensor([0, 1, 2, 0, 1])
    expected = nn.functional.cross_entropy(model(images), labels)
    before = model[1].weight.clone()
    loss, logits = Step(model, Supervised(nn.CrossEntropyLoss()), optimizer, nullcontext)(images, labels, 1.7)
    assert torch.equal(loss, expected)
    assert logits.shape == (5, 3)
    assert not loss.requires_grad
    assert not logits.requires_grad
    assert not torch.equal(model[1].weight, before)


def test_each_groups_rate_is_its_own_base_rate_times_the_factor():
    one, other = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    groups = [{"params": [one], "lr": 0.5}, {"params": [other], "lr": 2.0}]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    for factor in (0.5, 0.0, 1.0, 0.25):  # not multiplied up, and back from zero
        set_rate(optimizer, factor)
        assert [group["lr"] for group in optimizer.param_groups] == [0.5 * factor, 2.0 * factor]


def test_a_steps_randomness_depends_on_seed_step_and_rank_alone():
    def drawn(*key):
        seed_step(*key)
        return torch.rand(8).tolist()

    keys = [(seed, step, rank) for seed in (0, 1, 2**63 - 1) for step in (0, 1, 10**6) for rank in (0, 1, 15)]
    numbers = {key: tuple(drawn(*key)) for key in keys}
    assert len(set(numbers.values())) == len(keys)
    torch.rand(100)
    assert tuple(drawn(1, 1, 1)) == numbers[1, 1, 1]


@pytest.mark.parametrize(("precision", "expected"), [("auto", torch.float32), ("float32", torch.float32),
                                                     ("bf16", torch.bfloat16)])  # fmt: skip
def test_precision_on_a_cpu(precision, expected):
    with autocast(precision, torch.device("cpu"))():
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == expected
