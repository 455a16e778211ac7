"""A checkpoint that is asked for from outside the workers, so that they can be ended without losing steps."""

from collections.abc import Callable

from imgcls.run_folder import RunFolder, write_whole


class Request:
    """Asks a run's workers for a checkpoint, and knows when one has been written since.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._before: tuple[int, int] | None = None
        self.pending = False

    def ask(self, text: str) -> None:
        """Ask.

        Args:
            text: what the user is told of it.

        Raises:
            OSError: the storage cannot take it now.
        """
        self._before = self._written()
        write_whole(self._folder.save, text)
        self.pending = True

    @property
    def is_granted(self) -> bool:
        """Whether a checkpoint has been written since it was asked for; False where the storage cannot say."""
        try:
            return self.pending and self._written() != self._before
        except OSError:
            return False

    def withdraw(self) -> None:
        """Ask no longer.

        Raises:
            OSError: the storage cannot take it now.
        """
        self._folder.save.unlink(missing_ok=True)
        self.pending = False

    def _written(self) -> tuple[int, int] | None:
        """Return what tells the last checkpoint from the one before; None: there is none."""
        try:
            found = (self._folder.checkpoints / "latest").stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino


def requests(folder: RunFolder) -> Callable[[], str]:
    """Return what tells, once for each request, what the user should know of it; otherwise ""."""
    known: int | None = None

    def request() -> str:
        nonlocal known
        try:
            made = folder.save.stat().st_mtime_ns
            if made == known:
                return ""
            text = folder.save.read_text(encoding="utf-8")
        except OSError:  # there is none
            return ""
        known = made
        return text

    return request
