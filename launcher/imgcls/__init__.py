"""imgcls: the plugin API. What is listed in ``__all__`` is what is promised; the rest may change."""

from typing import TYPE_CHECKING, Any

import pluggy

from imgcls.component import Component, Layout, NoOptions, options
from imgcls.errors import UserError
from imgcls.job import Job

if TYPE_CHECKING:
    from imgcls.data.augmentation import Augmentation, Crop, Graph, Mix
    from imgcls.data.draws import Draws
    from imgcls.data.source import Source
    from imgcls.train.callback import Callback, Tracker
    from imgcls.train.outputs import WithAuxiliary

__version__ = "0.1.0"
__all__ = [
    "Augmentation",
    "Callback",
    "Component",
    "Crop",
    "Draws",
    "Graph",
    "Job",
    "Layout",
    "Mix",
    "NoOptions",
    "Source",
    "Tracker",
    "UserError",
    "WithAuxiliary",
    "__version__",
    "hookimpl",
    "options",
]

hookimpl = pluggy.HookimplMarker("imgcls")

# What needs numpy comes when it is asked for: a plugin's entry module is imported by `imgcls --help`.
_LATER = {
    "Augmentation": "imgcls.data.augmentation",
    "Crop": "imgcls.data.augmentation",
    "Graph": "imgcls.data.augmentation",
    "Mix": "imgcls.data.augmentation",
    "Draws": "imgcls.data.draws",
    "Source": "imgcls.data.source",
    "Callback": "imgcls.train.callback",
    "Tracker": "imgcls.train.callback",
    "WithAuxiliary": "imgcls.train.outputs",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        import importlib

        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'imgcls' has no attribute '{name}'")
