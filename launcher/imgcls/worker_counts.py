"""workers.jsonl: from which step on how many processes trained. Imports nothing heavy."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from imgcls.errors import UserError
from imgcls.run_folder import write_whole


@dataclass(frozen=True)
class Count:
    """So many processes trained from the update after ``step`` on."""

    step: int
    workers: int


def record(path: Path, step: int, workers: int) -> None:
    """Take down how many processes train from a step on; what was made after it is made again, and forgotten.

    Raises:
        OSError: it cannot be written.
        UserError: the file is damaged.
    """
    found = read(path)
    counts = [count for count in found if count.step < step]
    if not counts or counts[-1].workers != workers:
        counts.append(Count(step, workers))
    if counts != found:
        write_whole(path, "".join(json.dumps(asdict(count)) + "\n" for count in counts))


def read(path: Path) -> list[Count]:
    """Return what was taken down, each with another number than the one before; empty if nothing was.

    Raises:
        UserError: the file is damaged.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [Count(**{key: int(value) for key, value in json.loads(line).items()}) for line in lines]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: is damaged ({error}); put back a copy, or remove it: only `imgcls rerun` needs it"
        ) from None
