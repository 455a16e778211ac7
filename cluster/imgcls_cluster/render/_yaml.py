"""Trees as YAML text: every value is quoted as YAML wants it, texts of several lines stay readable."""

from collections.abc import Sequence
from typing import Any


class Merge(str):
    """The key ``<<``: what its value has is laid below the table around it."""

    __slots__ = ()


def document(comments: Sequence[str], *trees: Any) -> str:
    """Return trees as a stream of YAML documents.

    Args:
        comments: lines above them, without the sign of a comment.
        trees: of tables, lists, texts, numbers; one that is in a tree twice is written once, and referred to.
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002
            return super().increase_indent(flow, False)

        def generate_anchor(self, node: Any) -> str:
            return f"shared{super().generate_anchor(node)[2:]}"

    def text(dumper: Dumper, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    Dumper.add_representer(Merge, lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:merge", "<<"))
    head = "".join(f"# {line}".rstrip() + "\n" for line in comments)
    options: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "width": 10_000}
    return head + yaml.dump_all(trees, Dumper=Dumper, explicit_start=len(trees) > 1, **options)
