"""The callback. It runs on every rank; it reads the run's state and changes nothing."""

import json
from typing import TYPE_CHECKING

from imgcls import Callback
from imgcls_example.options import WeightNorm

if TYPE_CHECKING:
    from imgcls.train.loop import Run


class WeightNormLog(Callback):
    """One line of JSON an epoch: its number, and the length of the vector of all weights."""

    def __init__(self, options: WeightNorm) -> None:
        self.file = options.file

    def epoch_ended(self, run: "Run") -> None:
        if not run.world.leads:
            return  # one rank writes
        squares = sum(float(weight.detach().double().square().sum()) for weight in run.model.parameters())
        with (run.folder.path / self.file).open("a") as file:
            file.write(json.dumps({"epoch": run.state.epochs_ended, "norm": squares**0.5}) + "\n")
