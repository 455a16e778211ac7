"""Learning-rate schedules, a module each: its options, its builder and its ``COMPONENT``. None imports torch.

A schedule is a function from the update's number, counted from 0, to a factor of the base rate. The modules
with a leading underscore are shared.
"""

from imgcls_optim.finding import components

COMPONENTS = components(__name__, __path__)
