"""The models there are: a module a family, with its options and a row a variant. Imports no torch.

Every module beside this one is found, so that a new family's facts are one new file here.
"""

import importlib
import pkgutil

MODELS = tuple(
    component
    for module in sorted(found.name for found in pkgutil.iter_modules(__path__) if found.name != "family")
    for component in importlib.import_module(f"{__name__}.{module}").MODELS
)
