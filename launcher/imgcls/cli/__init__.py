"""The command line: one file a command. Only click is imported at the top; commands import what they need."""

import sys

import click

from imgcls import __version__
from imgcls.cli.average import average
from imgcls.cli.bench import bench
from imgcls.cli.components import component_commands
from imgcls.cli.data import data
from imgcls.cli.doctor import doctor
from imgcls.cli.evaluate import evaluate
from imgcls.cli.export import export
from imgcls.cli.launch import launch
from imgcls.cli.lr_find import lr_find
from imgcls.cli.models import models
from imgcls.cli.parity import parity
from imgcls.cli.plugins import plugins
from imgcls.cli.predict import predict
from imgcls.cli.preview import preview
from imgcls.cli.recipe import recipe
from imgcls.cli.rerun import rerun
from imgcls.cli.tune import tune
from imgcls.cli.verify_resume import verify_resume
from imgcls.errors import UserError


class _Commands(click.Group):
    """Our own commands, and those of the plugins, which are looked for only where they are needed."""

    def list_commands(self, context: click.Context) -> list[str]:
        from imgcls.plugins import installed

        return sorted({*super().list_commands(context), *installed().commands()})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        own = super().get_command(context, name)
        if own is not None:
            return own
        from imgcls.plugins import installed

        return installed().commands().get(name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="imgcls")
def cli() -> None:
    """Train image classifiers on as many workers as you have, from a short TOML recipe."""


for command in (
    launch,
    rerun,
    tune,
    verify_resume,
    recipe,
    data,
    preview,
    parity,
    lr_find,
    bench,
    doctor,
    plugins,
    models,
    evaluate,
    predict,
    export,
    average,
    *component_commands(),
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; a UserError becomes its message and exit code 2."""
    try:
        code = cli.main(prog_name="imgcls", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        code = 130
    except KeyboardInterrupt:
        code = 130
    except UserError as error:
        click.echo(str(error), err=True)
        code = 2
    except BrokenPipeError:
        # the reader of a pipe, such as head, has seen enough
        sys.stdout = None
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
