"""Models: a torch-free catalogue, one row a variant, one builder file a family."""

from collections.abc import Iterable

from imgcls import Component, hookimpl


@hookimpl
def imgcls_models() -> Iterable[Component]:
    from imgcls_zoo.catalog import MODELS

    return MODELS
