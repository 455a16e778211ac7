"""Blocks that are computed again in the backward pass: less is kept, and nothing else changes."""

import copy
import dataclasses

import pytest
import torch
from safetensors.torch import load_file
from tests.launcher.train.block_models import Attention, Residual, residual, transformer
from tests.launcher.train.conftest import reference
from tests.plugins.zoo.models import built
from torch import nn

from imgcls.errors import UserError
from imgcls.train.blocks_of import blocks_of
from imgcls.train.criterion import Supervised
from imgcls.train.loop import train
from imgcls.train.recompute import recompute
from imgcls.train.step import Step, seed_step
from imgcls.train.world import World
from imgcls_optim.optimizers import sam, sgd

MODELS = {
    "resnet": lambda: built("resnet20_cifar", num_classes=3, drop_path=0.3, dropout=0.2),
    "vit": lambda: built("vit_ti_16", num_classes=3, image_size=32, patch=8, depth=3, dropout=0.1, drop_path=0.3),
    "residual": lambda: residual(None, 3, 3),
    "transformer": lambda: transformer(None, 3, 3),
}


def made(name):
    torch.manual_seed(1)
    return MODELS[name]().train()


def trained(name, again, optimizer=sgd, **options):
    """The state after two updates, and of the optimizer's."""
    model = made(name)
    if again:
        recompute(model)
    making = optimizer.COMPONENT.options(lr=0.05)
    step = Step(
        model, Supervised(nn.CrossEntropyLoss()), optimizer.build(making, model), torch.enable_grad, **options
    )
    side = 16 if name == "transformer" else 32
    for number in range(2):
        seed_step(3, number, 0)
        images, labels = torch.randn(6, 3, side, side), torch.arange(6) % 3
        step(images, labels, 1)
    moments = [v for entry in step.optimizer.state.values() for v in entry.values() if torch.is_tensor(v)]
    return model.state_dict(), moments


@pytest.fixture(autouse=True)
def one_thread():
    """Models this small are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet", {}),
        ("vit", {}),
        ("residual", {"accumulate": 2}),
        ("transformer", {"accumulate": 2}),
        ("residual", {"optimizer": sam}),
        ("transformer", {"optimizer": sam}),
    ],
)
def test_weights_and_statistics_are_the_same_to_the_bit(name, options):
    (own, moments), (other, theirs) = (trained(name, again, **options) for again in (False, True))
    assert list(own) == list(other)
    assert [key for key in own if not torch.equal(own[key], other[key])] == []
    assert moments
    assert all(torch.equal(one, two) for one, two in zip(moments, theirs, strict=True))


def kept_bytes(model):
    """What the backward pass of 8 images keeps beside the weights."""
    weights = {parameter.data_ptr() for parameter in model.parameters()}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = tensor, storage.nbytes()  # held, so that no address comes twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(torch.randn(8, 3, 32, 32)).sum().backward()
    return sum(size for _, size in kept.values())


@pytest.mark.parametrize(("name", "share"), [("resnet", 0.4), ("vit", 0.3)])
def test_the_backward_pass_keeps_less(name, share):
    model = made(name)
    before = kept_bytes(model)
    recompute(model)
    assert kept_bytes(model) < share * before


def test_a_run_with_it_is_the_run_without(make_plan, make_folder):
    model = reference("residual", "tests.launcher.train.block_models:residual", "imgcls.component:NoOptions")
    found = []
    for again in (False, True):
        folder = make_folder(f"again {again}")
        settings = {"epochs": 1, "ema": 0.9, "activation_checkpointing": again}
        train(dataclasses.replace(make_plan(train=settings), model=model), folder, World())
        last = max(folder.checkpoints.glob("step-*"))
        found.append({f"{f.name}/{k}": v for f in last.glob("*.safetensors") for k, v in load_file(f).items()})
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(value, found[1][key]) for key, value in found[0].items())


def test_a_block_without_gradients_is_computed_once():
    model = made("residual")
    recompute(model)
    passes = []
    model[2].branch[0].register_forward_hook(lambda *_: passes.append(1))
    with torch.no_grad():
        model(torch.randn(2, 3, 16, 16))
    assert len(passes) == 1
    model(torch.randn(2, 3, 16, 16)).sum().backward()
    assert len(passes) == 3


def test_a_copy_computes_its_own_blocks():
    model = made("residual").eval()
    recompute(model)
    images = torch.randn(2, 3, 16, 16)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    expected = made("residual").eval()
    assert torch.equal(other(images), expected(images))


def test_momentum_is_there_again_after_the_backward_pass():
    model = made("residual")
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    norms[1].momentum = None  # a mean over all batches
    recompute(model)
    model(torch.randn(4, 3, 16, 16)).sum().backward()
    assert [norm.momentum for norm in norms] == [0.1, None, 0.1, 0.1, 0.1]
    assert [norm.num_batches_tracked.item() for norm in norms] == [1] * 5


def test_a_model_without_blocks_is_refused():
    with torch.device("meta"):
        model = built("alexnet")
    with pytest.raises(UserError, match=r"activation_checkpointing = true: nothing repeats in AlexNet"):
        recompute(model)


@pytest.mark.parametrize(
    ("name", "block", "count"),
    [("resnet20_cifar", "Basic", 9), ("vit_ti_16", "EncoderBlock", 12), ("densenet121", "DenseLayer", 58)],
)
def test_the_blocks_of_a_model_are_its_outermost_repeated_modules(name, block, count):
    with torch.device("meta"):
        found = blocks_of(built(name))
    assert [type(part).__name__ for part in found] == [block] * count


def test_containers_are_looked_into_and_a_single_module_is_no_block():
    inner = nn.Sequential(Residual(4), Residual(4))
    lone = Attention(4)
    model = nn.Sequential(nn.ModuleDict({"a": inner}), nn.Sequential(lone), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1))
    assert blocks_of(model) == list(inner)


def test_a_list_with_a_forward_pass_of_its_own_is_a_block_where_nothing_in_it_is():
    class Branches(nn.ModuleDict):
        def forward(self, x):
            return sum(branch(x) for branch in self.values())

    def branches():
        return Branches({"one": nn.Conv2d(4, 4, 1), "two": nn.Conv2d(4, 4, 3, padding=1)})

    model = nn.Sequential(branches(), branches())
    assert blocks_of(model) == list(model)
