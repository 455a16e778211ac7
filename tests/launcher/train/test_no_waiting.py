"""No step asks for a number: on a GPU that would make the CPU wait for everything before it."""

import pytest
from torch.utils._python_dispatch import TorchDispatchMode

from imgcls.train.callback import Callback
from imgcls.train.loop import Run
from imgcls.train.world import World

# what needs a tensor's values on the CPU: .item(), float(), bool(), `if tensor`, sizes that depend on values
WAITS = {
    "aten::_local_scalar_dense", "aten::is_nonzero", "aten::equal", "aten::nonzero", "aten::masked_select",
    "aten::_unique2", "aten::unique_dim", "aten::unique_consecutive",
}  # fmt: skip


class Watch(TorchDispatchMode):
    """Writes down the names of all operators that are called."""

    def __init__(self):
        super().__init__()
        self.called = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.called.append(func._schema.name)
        return func(*args, **(kwargs or {}))


def called(plan, folder, callbacks=()):
    """Return the operators called in the steps of a run."""
    run, watch = Run(plan, folder, World()), Watch()
    run.callbacks = list(callbacks)
    step = run._step

    def watched(batch):
        with watch:
            step(batch)

    run._step = watched
    run.to_the_end()
    run.close()
    return watch.called


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"ema": 0.9, "accumulate": 3, "channels_last": True},
        {"clip_norm": 1.0, "clip_value": 0.5, "clip_adaptive": 0.1, "precision": "bf16"},
    ],
)
def test_no_operator_of_a_step_needs_a_value(make_plan, make_folder, settings):
    found = called(make_plan(train={"epochs": 1, **settings}), make_folder("a"))
    assert {"aten::convolution_backward", "aten::argmax"} <= set(found)
    assert WAITS & set(found) == set()


def test_a_step_that_asks_for_a_number_would_be_seen(make_plan, make_folder):
    class Asking(Callback):
        def step_ended(self, run):
            run.model[0].weight.sum().item()

    found = called(make_plan(train={"epochs": 1}), make_folder("a"), [Asking()])
    assert WAITS & set(found) == {"aten::_local_scalar_dense"}


def test_only_a_run_that_looks_at_every_loss_waits_for_it(make_plan, make_folder):
    """As the help of train.not_finite says of "skip"."""
    found = called(make_plan(train={"epochs": 1, "not_finite": "skip"}), make_folder("a"))
    assert found.count("aten::_local_scalar_dense") == 4
