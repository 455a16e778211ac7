"""The colour of hidden pixels."""

from imgcls import Graph, UserError


def colour(name: str, fill: tuple[int, ...] | None, graph: Graph) -> tuple[int, ...]:
    """Return a grey level for each channel.

    Args:
        name: of the augmentation, for the message.
        fill: one grey level, or one for each channel; None for the recipe's mean colour (``input.mean``).
        graph: the images that pixels are hidden in.

    Raises:
        UserError: another number of grey levels.
    """
    if fill is None:
        return graph.mean
    channels = graph.channels
    if len(fill) not in (1, channels):
        wanted = "1" if channels == 1 else f"1 or {channels}"
        raise UserError(
            f"augment {name}: fill has {len(fill)} grey levels, but the images have "
            f"{channels} channel{'s' * (channels > 1)}; give {wanted}"
        )
    return fill if len(fill) == channels else fill * channels
