"""Optimizers, a module each: its options, its builder and its ``COMPONENT``. Listing them imports no torch.

Modules with a leading underscore are shared or hold torch code; the builders import what they need of them.
"""

from imgcls_optim.finding import components

COMPONENTS = components(__name__, __path__)
