"""The command `archimage`: its table of commands, and how an error becomes a message and an exit code."""

import sys
from collections.abc import Sequence

import typer

from archimage import __version__
from archimage.cli import (
    access,
    audit,
    backup,
    commit,
    config,
    deidentify,
    deliveries,
    demo,
    doctor,
    echo,
    find,
    get,
    hl7,
    hold,
    import_,
    index,
    jobs,
    move,
    mpps,
    openapi,
    plugins,
    print_,
    retention,
    route,
    scrub,
    serve,
    share,
    signatures,
    store,
    sync,
    tls,
    token,
    ups,
    user,
    viewer,
    watch,
    worklist,
)
from archimage.cli.output import ExitCode, exit_code, say, tell
from archimage.errors import ArchimageError

app = typer.Typer(
    name="archimage",
    help="A medical image archive (PACS), and the tools to talk to one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve.serve)
app.command()(echo.echo)
app.command()(store.store)
app.command()(find.find)
app.command()(move.move)
app.command()(get.get)
app.command("print")(print_.print_)
app.command("import")(import_.import_files)
app.command()(deidentify.deidentify)
app.add_typer(hl7.app, name="hl7")
app.add_typer(index.app, name="index")
app.add_typer(jobs.app, name="jobs")
app.add_typer(route.app, name="route")
app.command()(sync.sync)
app.command()(watch.watch)
app.command()(doctor.doctor)
app.add_typer(config.app, name="config")
app.add_typer(tls.app, name="tls")
app.command()(openapi.openapi)
app.command()(demo.demo)
app.add_typer(viewer.app, name="viewer")
app.add_typer(signatures.app, name="signatures")
app.add_typer(audit.app, name="audit")
app.add_typer(access.app, name="access")
app.add_typer(worklist.app, name="worklist")
app.add_typer(ups.app, name="ups")
app.add_typer(user.app, name="user")
app.add_typer(token.app, name="token")
app.add_typer(share.app, name="share")
app.add_typer(mpps.app, name="mpps")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(commit.app, name="commit")
app.add_typer(backup.app, name="backup")
app.command()(backup.restore)
app.command()(scrub.scrub)
app.add_typer(hold.app, name="hold")
app.add_typer(retention.app, name="retention")
app.add_typer(plugins.app, name="plugins")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"archimage {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_version, is_eager=True),
) -> None:
    """A medical image archive (PACS), and the tools to talk to one."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line of arguments, or that of the process; our errors are one line on standard error."""
    try:
        app(arguments, prog_name="archimage")
    except ArchimageError as error:
        say(f"archimage: {tell(error)}")
        sys.exit(exit_code(error))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(ExitCode.FAILED)
