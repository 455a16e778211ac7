"""``imgcls tune show``: what a search found."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from imgcls.report.tune_trials import Trials


@click.command("show", short_help="Show what a search found.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON; no page without --html.")
@click.option("--top", type=click.IntRange(1), metavar="K", help="List the best K trials, not all.")
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the page there. Default: report.html in RUN, made anew each time.",
)
@click.option("--force", is_flag=True, help="Overwrite the FILE of --html.")
def show(run: Path, as_json: bool, top: int | None, page: Path | None, force: bool) -> None:
    """Show the trials of a search, the best first, from its folder RUN; it may be running, or have been ended.

    The page holds the same with figures: parallel coordinates, the importance of each parameter, how the search
    went. It stands alone and needs no network.
    """
    import json

    from imgcls.cli.outputs import refuse
    from imgcls.report.tune_summary import as_data, lines
    from imgcls.report.tune_trials import Trials
    from imgcls.tuning.study import Study

    if page is not None:
        refuse("--html", page, force)
    trials = Trials(Study(run))
    click.echo(json.dumps(as_data(trials, top), indent=2) if as_json else "\n".join(lines(trials, top)))
    if page is None and as_json:
        return
    written = _write(trials, page)
    if written is not None and not as_json:
        click.echo(f"page: {written}")


def _write(trials: "Trials", page: Path | None) -> Path | None:
    """Write the page; None where it is the default one and cannot be written, such as into another's folder."""
    from imgcls.errors import UserError
    from imgcls.report.tune_page import page as page_of
    from imgcls.run_folder import write_whole

    path = trials.study.path / "report.html" if page is None else page
    text = page_of(trials)
    try:
        write_whole(path, text)
    except OSError as error:
        if page is not None:
            raise UserError(f"--html {page}: cannot be written: {error.strerror}") from None
        click.echo(f"note: {path}: cannot be written: {error.strerror}; --html names another place", err=True)
        return None
    return path
