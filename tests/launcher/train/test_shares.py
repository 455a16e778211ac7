"""A run on fewer workers than its range has makes more passes, and no larger ones."""

import pytest
from tests.launcher.train.conftest import planned

from imgcls.run_folder import RunFolder
from imgcls.train.loop import Run
from imgcls.train.world import World


@pytest.mark.parametrize(("workers", "passes"), [({"count": 4, "least": 1}, 4), ({"count": 4}, 1)])
def test_a_worker_alone_makes_the_passes_that_keep_it_as_small_as_at_the_most(tmp_path, workers, passes):
    plan = planned(tmp_path, workers=workers)
    folder = RunFolder(tmp_path / "run")
    folder.create()
    run = Run(plan, folder, World())
    try:
        assert run.step.accumulate == passes
        sizes: list[int] = []
        run.model.register_forward_pre_hook(lambda _module, inputs: sizes.append(len(inputs[0])))
        run.to_the_end()
    finally:
        run.close()
    steps = run.order.total_steps
    training = sizes[: passes * run.order.steps_per_epoch]
    assert max(training) == (2 if passes == 4 else 7)
    assert steps == 12
