"""Kinds of cluster: one file each, from a job to the text of a manifest.

A module whose name has no leading underscore is a kind: options made with :func:`imgcls.options`,
``build(options, job) -> str`` and ``COMPONENT``.
"""

import importlib
import pkgutil

from imgcls import Component


def components() -> list[Component]:
    """Return the kinds of cluster there are, in the order of their names."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    return [importlib.import_module(f"{__name__}.{name}").COMPONENT for name in sorted(names)]
