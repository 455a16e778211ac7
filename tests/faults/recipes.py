"""Recipes of the fault tests: the shipped digits, in small steps, so that there is a middle of an epoch."""

from pathlib import Path

EVERY = 50  # steps between checkpoints
EPOCHS = 2
STEPS = 180  # in an epoch: 1,438 images in batches of 8


def small_steps(folder: Path, epochs: int = EPOCHS, more: str = "") -> Path:
    """Write a recipe of 180 steps an epoch with a checkpoint each 50 steps, and return its path."""
    path = folder / "small_steps.toml"
    path.write_text(f"""
extends = "digits_lenet.toml"
optimizer.lr = 0.02
train = {{ epochs = {epochs}, batch_size = 8 }}
checkpoint.every_steps = {EVERY}
{more}
""")
    shipped = Path(__file__).parents[2] / "recipes/digits_lenet.toml"
    (folder / "digits_lenet.toml").write_text(shipped.read_text())
    return path
