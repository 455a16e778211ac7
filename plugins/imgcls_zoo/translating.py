"""What the layouts of several families share."""

from collections.abc import Sequence

from imgcls import Layout

Pairs = tuple[tuple[str, str], ...]


def paddle(
    *rename: tuple[str, str], leave_out: tuple[str, ...] = (), scale: tuple[tuple[str, float], ...] = ()
) -> Layout:
    """Return the layout of Paddle's files: its names of running statistics, its transposed linear layers."""
    own = ((r"\._mean$", ".running_mean"), (r"\._variance$", ".running_var"))
    return Layout(rename=(*own, *rename), leave_out=leave_out, linear_transposed=True, scale=scale)


def numbered(flat: str, depths: Sequence[int], nested: str, first: int = 1) -> Pairs:
    """Return the pairs that turn blocks numbered throughout into blocks numbered stage by stage.

    Args:
        flat: the name before the number, such as ``"blocks"`` of ``blocks.7.conv``.
        depths: blocks in each stage.
        nested: the stage's and block's name, such as ``"layer{}.{}"``.
        first: number of the first stage.
    """
    places = [(stage, block) for stage, depth in enumerate(depths, first) for block in range(depth)]
    escaped = flat.replace(".", r"\.")
    return tuple((rf"^{escaped}\.{i}\.", f"{nested.format(*place)}.") for i, place in enumerate(places))
