"""What Ray Tune is given, and leaves as it is."""

from typing import Any, Self


class Bound:
    """Bound to a view and a folder, as copies that Ray Tune made would be too; it is to store none either."""

    def __deepcopy__(self, _known: Any) -> Self:
        return self  # Ray Tune copies what it is given

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, ("a search goes on from its own files",)  # what Ray Tune would restore it from is not read
