"""Which parts of a model are its repeated blocks: what is sharded as one, and computed again as one."""

from collections import Counter
from collections.abc import Iterator, Set

from torch import nn

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """Return the blocks of a model in its own order; none where nothing repeats, as in AlexNet.

    A block is a module of layers whose class occurs more than once in the model, such as a residual block or an
    encoder's layer, and that lies in no other block. Containers are looked into. One that has a forward pass of
    its own, as an Inception module may be, is a block where it repeats and no block is in it.
    """
    classes = Counter(type(module) for module in model.modules() if _is_block(module))
    repeated = {cls for cls, count in classes.items() if count > 1}
    return list(_outermost(model, repeated))


def _is_block(module: nn.Module) -> bool:
    return _is_called(module) and any(any(True for _ in part.parameters()) for part in module.children())


def _is_called(module: nn.Module) -> bool:
    # a list that has no forward pass of its own is never called, and a sequence is no more than its parts
    inherited = (nn.Sequential.forward, nn.ModuleList.forward, nn.ModuleDict.forward)
    return not isinstance(module, _CONTAINERS) or type(module).forward not in inherited


def _outermost(module: nn.Module, repeated: Set[type[nn.Module]]) -> Iterator[nn.Module]:
    for part in module.children():
        is_one = type(part) in repeated
        if is_one and not isinstance(part, _CONTAINERS):
            yield part
            continue
        inside = list(_outermost(part, repeated))
        yield from [part] if is_one and not inside else inside
