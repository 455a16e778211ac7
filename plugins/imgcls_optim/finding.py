"""Finds the components of a package: every module of it whose name has no leading underscore."""

import importlib
import pkgutil
from collections.abc import Iterable

from imgcls import Component


def components(package: str, path: Iterable[str]) -> tuple[Component, ...]:
    """Return the ``COMPONENT`` of each module of a package, in the order of their names."""
    names = [module.name for module in pkgutil.iter_modules(path) if not module.name.startswith("_")]
    return tuple(importlib.import_module(f"{package}.{name}").COMPONENT for name in sorted(names))
