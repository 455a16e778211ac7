"""``imgcls verify-resume``: proof that a killed run of a recipe continues exactly."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imgcls.cli.arguments import FolderPath, recipe_argument, set_option

if TYPE_CHECKING:
    from imgcls.plan import Plan
    from imgcls.prove.launches import During, What
    from imgcls.prove.resume import Case, Kill, Row

_SHOWN = 5  # names of parts that differ


@dataclass(frozen=True)
class _Asked:
    """Which kills were asked for: options of the command."""

    steps: Sequence[int]
    times: int | None
    what: str | None
    seed: int
    during: "Sequence[During]" = ("step",)


@click.command("verify-resume", short_help="Prove that a killed run ends like one that never was.")
@recipe_argument
@set_option
@click.option(
    "--kill-at", type=click.IntRange(1), multiple=True, metavar="STEP", help="Kill there. May be given again."
)
@click.option("--times", type=click.IntRange(1), help="Random steps to kill at. [default: 1 without --kill-at]")
@click.option("--workers", type=click.IntRange(0, 4096), help="Processes that train; 0: one, without Ray.")
@click.option(
    "--what",
    type=click.Choice(["worker", "driver", "all"]),
    help="A random worker, the driver's process group, or every process. [default: in turn]",
)
@click.option(
    "--during",
    type=click.Choice(["step", "evaluation", "checkpoint", "start"]),
    multiple=True,
    help="What the run does when it is killed; of several, in turn. [default: step]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is random: steps and workers.")
@click.option("--storage", type=FolderPath(), help="Folder for both runs. Default: a temporary one.")
def verify_resume(
    recipe: str,
    overrides: tuple[str, ...],
    kill_at: tuple[int, ...],
    times: int | None,
    workers: int | None,
    what: str | None,
    during: "tuple[During, ...]",
    seed: int,
    storage: Path | None,
) -> None:
    """Run a recipe twice: once undisturbed, once killed by SIGKILL and continued by the same command.

    Then compare the last checkpoints by SHA-256, group by group. Exit code 0 if every kill came to be and all
    agree, 1 if not. A kill comes when the run's events, about four a second, have told of the step: the step
    that was really seen is printed. With --during evaluation or checkpoint it then waits for the next of these,
    with --during start there is a second kill, at a random time before the run has begun again. RECIPE is a file,
    or the name of a shipped recipe.
    """
    import shutil
    import signal
    import tempfile

    from imgcls.errors import UserError

    # what was started must not outlive this command
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="imgcls-verify-")) if storage is None else storage
    keep = False
    try:
        values = (*overrides, *([] if workers is None else [f"workers.count={workers}", "workers.least=0"]))
        case = _case(recipe, values, folder, _Asked(kill_at, times, what, seed, during or ("step",)))
        keep = True  # until all is seen to be well, for who wants to look into it
        keep = not _carry_out(case)
    except UserError:
        keep = False
        raise
    finally:
        if keep:
            click.echo(f"both runs, and what they printed: {folder}", err=True)
        elif storage is None:
            shutil.rmtree(folder, ignore_errors=True)
    if keep:
        sys.exit(1)


def _carry_out(case: "Case") -> bool:
    """Run, print, and return whether all is as it should be."""
    from imgcls.errors import WorkerError
    from imgcls.prove.resume import verify

    try:
        rows, kills = verify(case, click.echo)
    except WorkerError as error:
        click.echo(str(error), err=True)
        return False
    click.echo("\n".join(["", *_table(rows), ""]))
    different = [row.name for row in rows if not row.same]
    if different:
        click.echo(f"NOT the same: {', '.join(different)}")
    elif kills < len(case.kills):
        click.echo(f"the same, but only {kills} of {len(case.kills)} kills came to be: take earlier steps")
    else:
        click.echo(f"the same, bit for bit, after {kills} kill{'s' if kills > 1 else ''}")
    return not different and kills == len(case.kills)


def _case(recipe: str, overrides: tuple[str, ...], storage: Path, asked: _Asked) -> "Case":
    from imgcls.cli.preparation import planned
    from imgcls.data.order import Order
    from imgcls.prove.resume import Case
    from imgcls.recipe import find

    plan = planned(recipe, overrides, storage)
    _must_fit(plan)
    train = plan.train
    order = Order(plan.data.train.samples, train.batch_size, train.epochs, plan.seed, train.last_batch)
    kills = _kills(asked, order.total_steps, plan.workers.count)
    more = _laid_over(plan, kills, order.steps_per_epoch)
    click.echo(
        f"{plan.name}: {order.total_steps} steps, {order.steps_per_epoch} an epoch, {_workers(plan.workers.count)}"
    )
    for value, why in more:
        click.echo(f"laid over the recipe: {value}; {why}")
    values = [word for value in (*overrides, *(value for value, _ in more)) for word in ("--set", value)]
    return Case(plan.name, [str(find(recipe)), *values], storage, kills, asked.seed)


def _must_fit(plan: "Plan") -> None:
    from imgcls.errors import UserError
    from imgcls.on_ray.resources import cpus_per_worker

    try:
        cpus_per_worker(plan.workers)
    except UserError as error:
        # this command has no such option
        raise UserError(str(error).replace("--cpus-per-worker ", "--set workers.cpus=")) from None


def _kills(asked: _Asked, steps: int, workers: int) -> "list[Kill]":
    """Return the kills by ascending step: those given, and as many random ones as asked for.

    Raises:
        UserError: the run has no such steps, or no such processes.
    """
    import random

    from imgcls.errors import UserError
    from imgcls.prove.launches import EACH

    late = [step for step in asked.steps if step >= steps]
    if late:
        raise UserError(f"--kill-at {late[0]}: the run has {steps} steps; take one from 1 to {steps - 1}")
    if workers == 0 and asked.what not in (None, "all"):
        raise UserError(
            f"--what {asked.what}: with 0 workers there is one process; leave it out, or set --workers"
        )
    if asked.what == "worker" and "start" in asked.during:
        raise UserError(
            "--what worker --during start: while a run starts there may be none; leave one of the two out"
        )
    number = (0 if asked.steps else 1) if asked.times is None else asked.times
    if number > steps - 1:
        raise UserError(f"--times {number}: the run has {steps} steps, and is killed once at most after each")
    drawn = random.Random(asked.seed).sample(range(1, steps), number)  # noqa: S311 (no secret)
    kinds = [kind for kind in EACH if asked.what in (None, kind) and (workers or kind == "all")]
    return [_kill(step, i, kinds, asked.during) for i, step in enumerate(sorted([*asked.steps, *drawn]))]


def _kill(step: int, number: int, kinds: "Sequence[What]", during: "Sequence[During]") -> "Kill":
    """Return a kill, of what comes in turn: first every kind in each of what a run does."""
    from imgcls.prove.resume import Kill

    doing = during[number // len(kinds) % len(during)]
    what = kinds[number % len(kinds)]
    return Kill(step, "driver" if doing == "start" and what == "worker" else what, doing)


def _laid_over(plan: "Plan", kills: "Sequence[Kill]", per_epoch: int) -> list[tuple[str, str]]:
    """Return (override, reason) pairs without which there would be nothing to continue from, or nobody to."""
    found = []
    settings, train, first = plan.checkpoint, plan.train, kills[0].step
    # the first evaluation is the best so far, which is kept too
    saved = min(settings.every_steps or per_epoch, per_epoch * min(settings.every_epochs, train.evaluate_every))
    if saved >= first:
        every = max(1, first // 2)
        why = f"its first checkpoint would come at step {saved}, and the first kill after step {first}"
        found.append((f"checkpoint.every_steps={every}", why))
    workers = sum(kill.what == "worker" for kill in kills)
    if workers > plan.workers.max_failures:
        why = f"it allows {plan.workers.max_failures}, and {workers} workers are killed"
        found.append((f"workers.max_failures={workers}", why))
    return found


def _workers(count: int) -> str:
    return "in one process" if count == 0 else f"{count} worker{'s' if count > 1 else ''}"


def _table(rows: "Sequence[Row]") -> list[str]:
    width = max(len(row.name) for row in rows)
    lines = [f"{'group':<{width}}  parts  SHA-256"]
    for row in rows:
        left, right = row.undisturbed, row.killed
        one = left or right
        assert one is not None
        shown = f"  {one.shown}" if one.shown and row.same else ""
        verdict = "same" if row.same else "DIFFERENT"
        lines.append(
            f"{row.name:<{width}}  {len(one.parts):>5}  {left.sha256 if left else '-':<64}  {verdict}{shown}"
        )
        if not row.same:
            names = [*row.unlike[:_SHOWN], *(["..."] if len(row.unlike) > _SHOWN else [])]
            lines.append(f"{'':<{width}}  {'':>5}  {right.sha256 if right else '-':<64}  killed run")
            lines.append(f"{'':<{width}}  {'':>5}  {len(row.unlike)} differ: {', '.join(names)}")
    return lines
