"""A recipe: TOML text and overrides -> a frozen, typed Recipe, or all its problems at once.

``schema`` is also read by workers, which look no plugins up: so the reader comes when it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgcls.recipe.problems import RecipeError
    from imgcls.recipe.reader import Named, Recipe, find, read, shipped
    from imgcls.recipe.show import to_toml

__all__ = ["Named", "Recipe", "RecipeError", "find", "read", "shipped", "to_toml"]


def __getattr__(name: str) -> Any:
    if name == "to_toml":
        from imgcls.recipe.show import to_toml

        return to_toml
    if name in __all__:
        from imgcls.recipe import reader

        return getattr(reader, name)
    raise AttributeError(f"module 'imgcls.recipe' has no attribute '{name}'")
