"""The entry module: says what there is. It imports no torch, because `imgcls models` imports it."""

from collections.abc import Iterable

from imgcls import Component, hookimpl


@hookimpl
def imgcls_models() -> Iterable[Component]:
    from imgcls_example.options import SmallNet

    facts = {
        "input_size": 32,
        "eval_resize": 32,
        "channels": 3,
        "mean": (0.5, 0.5, 0.5),
        "std": (0.25, 0.25, 0.25),
    }
    build = "imgcls_example.model:build"
    return [
        Component("small_net", build, SmallNet, summary="two convolutions and a mean", facts=facts),
        # a variant is a row: the same builder, other defaults
        Component("small_net_wide", build, SmallNet, SmallNet(width=32), "small_net, twice as wide", facts),
    ]


@hookimpl
def imgcls_datasets() -> Iterable[Component]:
    from imgcls_example.options import PhotoTiles

    return [
        Component(
            "photo_tiles",
            "imgcls_example.dataset:build",
            PhotoTiles,
            summary="tiles of scikit-learn's two photographs; the class is the photograph",
        )
    ]


@hookimpl
def imgcls_callbacks() -> Iterable[Component]:
    from imgcls_example.options import WeightNorm

    return [
        Component(
            "weight_norm",
            "imgcls_example.callback:WeightNormLog",
            WeightNorm,
            summary="the length of the weight vector after each epoch, into a file of the run",
        )
    ]
