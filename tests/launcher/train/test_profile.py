import pytest
import torch
from torch import nn

from imgcls.train.profile import profile


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.act = nn.ReLU()
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        return self.fc(self.act(self.conv(x)).mean((2, 3)))


def test_counts_are_those_made_by_hand():
    found = profile(Net, 3, 16, 4)
    assert found.parameters == 3 * 8 * 9 + 8 + 8 * 5 + 5
    assert found.macs == 16 * 16 * 8 * 27 + 8 * 5
    assert found.layers == (("Conv2d", 1), ("Linear", 1))
    assert [(part.name, part.output, part.macs) for part in found.parts] == [
        ("conv", (8, 16, 16), 16 * 16 * 8 * 27),
        ("act", (8, 16, 16), 0),
        ("fc", (5,), 40),
    ]
    # images, the activation's output, and the means: what the backward pass needs
    assert found.activations == 4 * 4 * (3 * 256 + 8 * 256 + 8)


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_activations_grow_with_the_batch(batch):
    assert profile(Net, 3, 16, batch).activations == batch * profile(Net, 3, 16, 1).activations


def test_kept_bytes_are_those_of_a_real_step():
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    model = Net()
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = model(torch.zeros(4, 3, 16, 16))
    del outputs
    real = sum(size for pointer, size in kept.items() if pointer not in weights)
    assert profile(Net, 3, 16, 4).activations == real
