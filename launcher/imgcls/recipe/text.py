"""A recipe's tree as TOML text: what was written, not what it means."""

from collections.abc import Iterator

from imgcls.recipe.layers import Table
from imgcls.recipe.tables import show, show_key


def to_text(tree: Table) -> str:
    """Return TOML that holds the same values, in the same order as far as TOML allows.

    Args:
        tree: what a recipe file says; tables within tables are written on one line.
    """
    lines = [f"{show_key(key)} = {show(value)}" for key, value in tree.items() if not _is_headed(value)]
    for key, value in tree.items():
        if _is_headed(value):
            lines += _headed(key, value)
    return "\n".join(lines).lstrip("\n") + "\n"


def _is_headed(value: object) -> bool:
    tables = isinstance(value, list) and value and all(isinstance(each, dict) for each in value)
    return isinstance(value, dict) or bool(tables)


def _headed(key: str, value: Table | list[Table]) -> Iterator[str]:
    alone = isinstance(value, dict)
    header = f"[{show_key(key)}]" if alone else f"[[{show_key(key)}]]"
    for table in [value] if isinstance(value, dict) else value:
        yield ""
        yield header
        yield from (f"{show_key(name)} = {show(each)}" for name, each in table.items())
