"""Where commands write: no file is overwritten unasked."""

from pathlib import Path


def refuse(option: str, path: Path, force: bool) -> None:
    """Raise a UserError where a file cannot be written, or is there and not to be overwritten.

    Args:
        option: of the command line that names the file, for the message.
        path: of the file.
        force: whether the user lets it be overwritten.
    """
    import os

    from imgcls.errors import UserError

    folder = path.absolute().parent
    if not folder.is_dir():
        raise UserError(f"{option} {path}: there is no folder {folder}; make it")
    if path.is_dir():
        raise UserError(f"{option} {path}: is a folder; give the name of a file in it")
    if path.exists() and not force:
        raise UserError(f"{option} {path}: is there already and was left as it is; give another name, or --force")
    if not os.access(folder, os.W_OK):
        raise UserError(f"{option} {path}: cannot be written: the folder is not yours to write in")
