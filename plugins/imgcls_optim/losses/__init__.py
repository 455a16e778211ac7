"""Losses, a module each: its options, its builder and its ``COMPONENT``. Listing them imports no torch.

A loss takes float32 logits (N, classes) and targets, int64 labels (N,) or float32 shares of the classes
(N, classes), to a mean over the N samples. Modules with a leading underscore are shared or hold torch code.
"""

from imgcls_optim.finding import components

COMPONENTS = components(__name__, __path__)
