"""Which values of a space are tried: few, and enough to know of all."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgcls.recipe import RecipeError, read
from imgcls.recipe.tables import show
from imgcls.tuning.space import overrides_of

POOL = {
    "optimizer.name": [["sgd", "adamw"], ["adamw", "lion"], ["sgd"], ["sgd", "sgdd"]],
    "optimizer.lr": [{"log_uniform": [0.01, 1.0]}, {"uniform": [-1.0, 1.0]}, [0.1, 0.2]],
    "optimizer.momentum": [{"uniform": [0.5, 0.9]}, {"uniform": [0.5, 1.5]}, [0, 1]],
    "optimizer.nesterov": [[True, False]],
    "schedule": [["cosine", "step"], ["step"], ["constant", "cosine"]],
    "schedule.warmup_epochs": [{"randint": [0, 1]}, [-1, 1]],
    "schedule.gamma": [[0.1, 0.5]],
    "augment.0.name": [["rand_augment", "trivial_augment"]],
    "augment.0.layers": [{"randint": [1, 3]}, {"randint": [1, 9]}],
    "augment.rand_augment.magnitude": [{"randint": [1, 30]}, {"randint": [0, 31]}],
    "train.ema_warmup": [[True, False]],
}
WHENS = [
    {"optimizer.name": "sgd"},
    {"optimizer.name": ["adamw", "lion"]},
    {"schedule": "step"},
    {"augment.0.name": "rand_augment"},
    {"train.ema_warmup": True},
]


@st.composite
def tables(draw):
    keys = draw(st.lists(st.sampled_from(list(POOL)), min_size=1, max_size=6, unique=True))
    table = {key: draw(st.sampled_from(POOL[key])) for key in keys}
    for key in keys:
        when = draw(st.sampled_from([{}, {}, *WHENS]))
        if when and when.keys() <= set(keys) - {key}:
            domain = table[key]
            table[key] = {**(domain if isinstance(domain, dict) else {"choice": domain}), "when": when}
    return table


def combinations(parameters, values=None):
    """All ways to give the parameters the values that a space is tried with, conditions kept."""
    values = values or {}
    if not parameters:
        yield values
        return
    first, *rest = parameters
    for one in first.domain.tried if first.holds(values) else [None]:
        yield from combinations(rest, values if one is None else {**values, first.key: one})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables())
def test_a_space_passes_just_if_every_combination_of_its_values_is_a_recipe(write_recipe, plugins, minimal, table):
    base = f'{minimal}\n[[augment]]\nname = "rand_augment"\n\n[tune.space]\n'
    path = write_recipe(base + "".join(f"{show(key)} = {show(value)}\n" for key, value in table.items()))
    try:
        parameters = read(path, plugins).space
    except RecipeError:
        return  # no space at all
    bad = None
    for values in combinations(parameters):
        try:
            read(path, plugins, (), overrides_of(values))
        except RecipeError as error:
            bad = (values, str(error))
            break
    try:
        read(path, plugins, search=True)
    except RecipeError as error:
        assert bad is not None, str(error)
        assert all(f"{path}:" in line and "tune.space." in line for line in str(error).split("\n")[:-1])
    else:
        assert bad is None, bad
