"""``imgcls recipe show`` and ``imgcls recipe check``."""

import click

from imgcls.cli.arguments import recipe_argument, set_option


@click.group()
def recipe() -> None:
    """Look at a recipe without running it."""


@recipe.command()
@recipe_argument
@set_option
def show(recipe: str, overrides: tuple[str, ...]) -> None:
    """Print the resolved recipe, with where each value came from."""
    from imgcls.plugins import installed
    from imgcls.recipe import find, read, to_toml

    click.echo(to_toml(read(find(recipe), installed(), overrides), with_origins=True), nl=False)


@recipe.command()
@recipe_argument
@set_option
def check(recipe: str, overrides: tuple[str, ...]) -> None:
    """Report every problem of a recipe at once; exit code 2 if there is one."""
    from imgcls.plan import resolve_format
    from imgcls.plugins import installed
    from imgcls.recipe import find, read

    path = find(recipe)
    found = read(path, installed(), overrides, search=True)
    form = resolve_format(found)
    trained = "" if form.train_size is None else f" (trained at {form.train_size}x{form.train_size})"
    click.echo(
        f"{path}: ok: {found.model.found.name} on {found.data.found.name}, "
        f"{form.size}x{form.size}x{form.channels}{trained}, "
        f"{found.train.epochs} epochs of batches of {found.train.batch_size}"
    )
