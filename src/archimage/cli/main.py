"""The command `archimage`: its table of commands, and how an error becomes a message and an exit code."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

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

_COMMANDS: Final[Mapping[str, Callable[..., object] | typer.Typer]] = {
    "serve": serve.serve,
    "echo": echo.echo,
    "store": store.store,
    "find": find.find,
    "move": move.move,
    "get": get.get,
    "print": print_.print_,
    "import": import_.import_files,
    "deidentify": deidentify.deidentify,
    "hl7": hl7.app,
    "index": index.app,
    "jobs": jobs.app,
    "route": route.app,
    "sync": sync.sync,
    "watch": watch.watch,
    "doctor": doctor.doctor,
    "config": config.app,
    "tls": tls.app,
    "openapi": openapi.openapi,
    "demo": demo.demo,
    "viewer": viewer.app,
    "signatures": signatures.app,
    "audit": audit.app,
    "access": access.app,
    "worklist": worklist.app,
    "ups": ups.app,
    "user": user.app,
    "token": token.app,
    "share": share.app,
    "mpps": mpps.app,
    "deliveries": deliveries.app,
    "commit": commit.app,
    "backup": backup.app,
    "restore": backup.restore,
    "scrub": scrub.scrub,
    "hold": hold.app,
    "retention": retention.app,
    "plugins": plugins.app,
}


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"archimage {__version__}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_version, is_eager=True),
) -> None:
    """A medical image archive (PACS), and the tools to talk to one."""


def _made(names: Iterable[str]) -> typer.Typer:
    """Return the program with these commands."""
    made = typer.Typer(
        name="archimage",
        help="A medical image archive (PACS), and the tools to talk to one.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_root)
    for name in names:
        command = _COMMANDS[name]
        if isinstance(command, typer.Typer):
            made.add_typer(command, name=name)
        else:
            made.command(name)(command)
    return made


app = _made(_COMMANDS)


def _asked_for(arguments: Sequence[str]) -> typer.Typer:
    """Return the program with the one command that is asked for: to make all of them takes a twentieth of a start."""
    return _made(arguments[:1]) if arguments and arguments[0] in _COMMANDS else app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line of arguments, or that of the process; our errors are one line on standard error."""
    asked = sys.argv[1:] if arguments is None else arguments
    try:
        _asked_for(asked)(asked, prog_name="archimage")
    except ArchimageError as error:
        say(f"archimage: {tell(error)}")
        sys.exit(exit_code(error))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(ExitCode.FAILED)
