"""A trained run over image files, made once: scikit-learn's digits as PNGs in class folders."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

RECIPE = """\
seed = 1
model = "lenet5"
optimizer = {{ name = "sgd", lr = 0.1 }}
data = {{ name = "image_folder", root = "{root}", validation = 0.3 }}

[train]
epochs = 15
batch_size = 32
eval_flip = true
"""


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with ``images/0`` to ``images/9``, 300 PNGs, and ``runs/pngs``. Tests change nothing in it."""
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("trained")
    digits = load_digits()
    for number in range(300):
        path = folder / "images" / str(digits.target[number]) / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        # of several sizes, so that the resize and the crop have something to do
        side = 28 + number % 5
        Image.fromarray((digits.images[number] * 15.9).astype(np.uint8)).resize((side, side + 3)).save(path)
    recipe = folder / "pngs.toml"
    recipe.write_text(RECIPE.format(root=folder / "images"), encoding="utf-8")
    words = [sys.executable, "-m", "imgcls", "launch", str(recipe), "--workers", "0", "--plain"]
    ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended
    return folder
