"""Results go to standard output, the rest to standard error, and nothing from a peer steers the terminal."""

import pytest

from archimage.cli import output
from archimage.cli.output import ExitCode, exit_code
from archimage.errors import (
    ArchimageError,
    AssociationRejectedError,
    ConfigError,
    ConnectionFailedError,
    ContextNotAcceptedError,
    DuplicateInstanceError,
    TimerExpiredError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AssociationRejectedError("", result=1, source=1, reason=1), ExitCode.FAILED),
        (ContextNotAcceptedError(""), ExitCode.FAILED),
        (DuplicateInstanceError(""), ExitCode.FAILED),
        (ConfigError(""), ExitCode.USAGE),
        (ConnectionFailedError(""), ExitCode.NETWORK),
        (TimerExpiredError(""), ExitCode.NETWORK),
    ],
)
def test_errors_end_a_command_as_scripts_expect(error: ArchimageError, code: ExitCode) -> None:
    assert exit_code(error) is code


def test_what_a_peer_wrote_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.say("failed: \x1b[2J\r\n")
    output.print_table(["PatientName"], [{"PatientName": "A\x1b[31m\u202eB [bold]x"}])
    out, err = capsys.readouterr()
    assert err == "failed: \\x1b[2J\\r\\n\n"
    assert "\x1b" not in out
    assert "A\\x1b[31m\\u202eB [bold]x" in out


def test_a_table_that_is_not_on_a_terminal_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    value = "9" * 64
    output.print_table(["A", "B", "C"], [{"A": value, "B": [value, value], "C": 3}])
    assert f"{value}\\{value}" in capsys.readouterr().out


def test_long_lists_of_problems_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_problems([(f"file{number}", "broken") for number in range(25)])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "... and 5 more; --json lists all"


def test_json_keeps_every_script(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"PatientName": "山田"})
    assert "山田" in capsys.readouterr().out
