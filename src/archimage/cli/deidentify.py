"""`archimage deidentify`: files without those whom they are about, into a folder."""

import os
import warnings
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import ExitCode, Stage, print_counts, print_json, print_problems, progress, rate, say
from archimage.cli.serve import load

if TYPE_CHECKING:
    warnings.filterwarnings("ignore", module=r"pydicom\.")  # they quote values
    from archimage.cli.deidentifying import Sum
    from archimage.config import Config

Paths = Annotated[
    list[Path], typer.Argument(help="Files, folders, zip archives, DICOMDIRs.", metavar="PATH...", exists=True)
]
Output = Annotated[
    Path, typer.Option("-o", "--output", help="Folder to write into; made when it is not there.", file_okay=False)
]
Project = Annotated[str, typer.Option("--project", help="Whose secret makes the pseudonyms; made at its first use.")]
Options = Annotated[
    list[str] | None, typer.Option("--option", help="An option of the profile; may be repeated.", metavar="NAME")
]
Rules = Annotated[
    Path | None,
    typer.Option(
        "--rules",
        help="TOML file of regions to blank, in place of the settings'.",
        exists=True,
        dir_okay=False,
    ),
]
KeepPixels = Annotated[bool, typer.Option("--keep-pixels", help="Neither blank pixels nor look for text in them.")]


def deidentify(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    paths: Paths,
    output: Output,
    project: Project,
    option: Options = None,
    rules: Rules = None,
    keep_pixels: KeepPixels = False,
    data: Data = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Copy files without their identifiers (PS3.15 Annex E).

    Every object becomes SOPInstanceUID.dcm in the folder, under its new UID; what cannot be made safe is refused.
    """
    warnings.filterwarnings("ignore", module=r"pydicom\.")  # they quote values
    from archimage.cli.deidentifying import FileDeidentifier, Sum
    from archimage.cli.workbench import Workbench
    from archimage.dicom.deidentify.objects import Profile
    from archimage.dicom.deidentify.options import Option, parse_options
    from archimage.dicom.deidentify.pseudonyms import Pseudonyms
    from archimage.dicom.deidentify.regions import read_rules
    from archimage.services.sources import sources

    options = parse_options([*(option or ()), *(() if keep_pixels else (Option.CLEAN_PIXEL_DATA,))])
    settings = load({"storage": {"directory": data}}, config)
    directory, configured = settings.storage.directory, settings.deidentification.rules
    path = rules or (directory / configured if configured else None)
    regions = read_rules(path) if path else ()
    profile = Profile(options, Pseudonyms(_secret(settings, project)), regions)
    output.mkdir(parents=True, exist_ok=True)
    total, stage = Sum(), Stage("De-identifying")
    jobs = os.cpu_count() or 1
    with progress() as bars, Workbench(jobs) as bench:
        deidentifier = FileDeidentifier(bench, profile, output, jobs)
        task = bars.add_task(stage.title, total=stage.total, rate="")
        for _ in deidentifier.run(sources(paths), total):
            bars.update(task, advance=1, rate=rate(total.files, total.size_bytes, total.elapsed_s))
    report(total, as_json=json)
    if total.refused or total.failed:
        raise typer.Exit(ExitCode.FAILED)


def report(total: "Sum", *, as_json: bool) -> None:
    """Print what was done; the JSON, which may go along with the files, names none of those that came in."""
    summary: dict[str, object] = {
        "written": total.written,
        "refused": total.refused,
        "failed": total.failed,
        "skipped": total.skipped,
    }
    print_problems([(problem.name, problem.reason) for problem in total.problems])
    if as_json:
        problems = [{"number": problem.number, "reason": problem.reason} for problem in total.problems]
        more = {"attributes": total.counts, "frames": total.frames, "elapsed_s": round(total.elapsed_s, 3)}
        print_json(summary | more | {"problems": problems})
        return
    say(rate(total.files, total.size_bytes, total.elapsed_s))
    print_counts(summary | {f"attributes {fate}": count for fate, count in total.counts.items()})


def _secret(settings: "Config", project: str) -> bytes:
    """Return the secret of a project, wherever the archive keeps it."""
    if not settings.index.url:
        from archimage.storage.secrets import project_secret

        return project_secret(settings.storage.directory, project)
    from archimage.automation.sharing import secrets_of
    from archimage.index.opening import open_index

    with closing(open_index(settings)) as index:
        return secrets_of(settings, index)(project)
