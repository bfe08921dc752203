"""`archimage route`: the rules of what goes where by itself, and what they make of a file."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import print_json, print_table, say
from archimage.cli.serve import load
from archimage.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archimage.config import Config
    from archimage.model.routing import Rule, Verdict

app = typer.Typer(help="List the rules of routing, try them, and see what they did.", no_args_is_help=True)

_COLUMNS = ("rule", "on", "conditions", "actions")
_STUDY_COLUMNS = ("rule", "study", "state", "instances", "job", "error")


@app.command("list")
def list_(data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """List the rules, in their order."""
    rows = [
        {
            "rule": rule.name,
            "on": "study" if rule.on_study else "instance",
            "conditions": [str(one) for one in rule.conditions],
            "actions": [str(one) for one in rule.actions],
        }
        for rule in _rules(load({"storage": {"directory": data}}, config))
    ]
    if json:
        print_json(rows)
        return
    told = [
        {**row, "conditions": "; ".join(row["conditions"]) or "everything", "actions": ", ".join(row["actions"])}
        for row in rows
    ]
    print_table(_COLUMNS, told)


@app.command("test")
def try_(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    file: Annotated[Path, typer.Argument(help="A DICOM file.", metavar="FILE", exists=True, dir_okay=False)],
    source: Annotated[str, typer.Option("--source", help="AE title of the sender.", metavar="AE")] = "",
    called: Annotated[
        str, typer.Option("--called", help="AE title that it calls the archive by; that of the settings.", metavar="AE")
    ] = "",
    at: Annotated[str, typer.Option("--at", help="When it comes, `2026-03-01 07:30`; now.", metavar="TIME")] = "",
    data: Data = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Tell which rules a file meets, what of the others it does not, and what would be done; nothing is.

    Plugins that rules have run are loaded, so that one is told that is not there, or has not the hook.
    """
    from archimage.services.routing_files import judge_file

    settings = load({"storage": {"directory": data}}, config)
    rules = _rules(settings)
    _check_plugins(settings, rules)
    verdicts = judge_file(rules, file, source, _moment(at), called or settings.dicom.ae_title)
    if json:
        print_json([asdict(one) for one in verdicts])
        return
    for verdict in verdicts:
        _tell(verdict)
    if not verdicts:
        say("there are no rules: `[[routing.rule]]` of the settings makes them")


@app.command("status")
def status(
    rule: Annotated[str, typer.Option("--rule", help="Of this rule alone.")] = "",
    state: Annotated[str, typer.Option("--state", help="waiting, failing, failed or done.")] = "",
    limit: Annotated[int, typer.Option("--limit", help="How many at most.", min=1, max=10_000)] = 100,
    data: Data = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """List what rules did, or have still to do, by study; what changed last comes first."""
    from archimage.cli.import_ import opened

    with opened(data, config) as archive:
        found = archive.exchange.routing.routed.find(rule=rule, study="", state=state, limit=limit)
    if json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        {
            "rule": one.rule,
            "study": one.study_instance_uid,
            "state": one.state,
            "instances": one.instances,
            "job": one.job,
            "error": one.error,
        }
        for one in found
    ]
    print_table(_STUDY_COLUMNS, rows)


def _rules(settings: "Config") -> "Sequence[Rule]":
    from archimage.services.routing_rules import rules_of

    return rules_of(settings.routing)


def _check_plugins(settings: "Config", rules: "Sequence[Rule]") -> None:
    """Raise ConfigError where a rule names a plugin that is not there, does not load, or has not the hook."""
    wanted = {name for rule in rules for name in rule.plugins}
    if not wanted:
        return
    from archimage.plugins.found import find
    from archimage.plugins.process import hooks_of
    from archimage.ports.plugins import PluginFault
    from archimage.services.plugins.ruled import check

    hooks: dict[str, frozenset[str] | None] = {}
    for source in find(settings.plugins, settings.storage.directory):
        try:
            hooks[source.name] = hooks_of(source, settings.plugins) if source.name in wanted else None
        except PluginFault as fault:
            raise ConfigError("\n  ".join((f"plugin {source.name}: {fault}", *fault.trace))) from None
    check(rules, hooks)


def _moment(text: str) -> float | None:
    """Read a local time, or one with its offset from UTC."""
    try:
        return datetime.fromisoformat(text).astimezone().timestamp() if text else None
    except (ValueError, OverflowError):
        raise ConfigError(f"--at {text!r} is no time as `2026-03-01 07:30`") from None


def _tell(verdict: "Verdict") -> None:
    typer.echo(f"{verdict.rule}: {'matches' if verdict.matches else 'does not match'}, on {verdict.on}")
    for finding in verdict.findings:
        found = f"; found {finding.found!r}" if finding.found else "; it has none"
        typer.echo(f"  {'yes' if finding.met else 'no '} {finding.condition}{found}")
    if verdict.matches:
        typer.echo(f"  would do: {', '.join(verdict.actions)}")
