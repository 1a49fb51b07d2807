"""Where commands are typed in an emergency: no home, no folder, no locale, no streams."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from stigmer_ops.errors import ExitCode
from support.awaiting import ACTIVITY_ID, Awaiting
from support.command_line import Finished, environment, stigmer_ops

FOREIGN = (
    "sp ace/sl\\ash'q\"uote",
    "\N{ROCKET}\N{GRINNING FACE} emoji",
    "\N{HEBREW LETTER SHIN}\N{ARABIC LETTER AIN} from right to left",
    "\N{LATIN SMALL LETTER E WITH ACUTE}" * 500,
)
NO_LOCALE = {"LC_ALL": "C", "LANG": "", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
POOR = {**NO_LOCALE, "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "20"}
CONSENT = ("--reason", "INC-1", "--yes")
EXTEND = ("activity", "extend", "-w", "order-1", "-a", ACTIVITY_ID, "--by", "1h", *CONSENT)


@pytest.fixture(scope="module")
async def population(population: Awaiting) -> Awaiting:
    await population.start(["order-1", *FOREIGN])
    return population


@pytest.fixture
def variables(population: Awaiting) -> dict[str, str]:
    client = population.client
    return {
        "TEMPORAL_ADDRESS": client.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": client.namespace,
    }


async def in_shell(
    arguments: tuple[str, ...], redirection: str, variables: dict[str, str]
) -> Finished:
    """Run a command with its streams as a shell makes them."""
    command = shlex.join([sys.executable, "-m", "stigmer_ops", *arguments])
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"{command} {redirection}"),
        env=environment(variables),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


# --- Homes and folders -------------------------------------------------------------------------


@pytest.mark.parametrize("home", ["/nonexistent", "/dev/null", ""])
async def test_reads_need_no_home(variables: dict[str, str], home: str) -> None:
    at_home = {**variables, "HOME": home}
    listed, found, shown = [
        await stigmer_ops(*command, variables=at_home)
        for command in (("pending", "list"), ("diagnose",), ("audit", "show"))
    ]

    assert (listed.code, listed.err) == (ExitCode.OK, "")
    assert (found.code, found.err) == (ExitCode.FINDINGS, "") or found.code == ExitCode.OK
    assert shown.code == ExitCode.OK, shown.err


@pytest.mark.parametrize(
    ("command", "reference", "setting"),
    [
        (EXTEND, "audit", "STIGMER_OPS_AUDIT_PATH"),
        (
            ("maintenance", "begin", "--for", "1h", *CONSENT),
            "procedure-journal",
            "STIGMER_OPS_PROCEDURES_PATH",
        ),
    ],
    ids=["audit trail", "journal"],
)
@pytest.mark.parametrize("state", [{"HOME": "/dev/null"}, {"XDG_STATE_HOME": "/proc/self/fdinfo"}])
async def test_writes_say_where_they_would_write_and_what_to_set(
    variables: dict[str, str],
    state: dict[str, str],
    command: tuple[str, ...],
    reference: str,
    setting: str,
) -> None:
    done = await stigmer_ops(*command, variables={**variables, **state})

    (folder,) = state.values()
    assert done.code == ExitCode.REFUSED, done.err
    assert f"({reference}, exit 4)" in done.err
    told = done.err[done.err.index("error: ") :]
    assert folder in told
    assert "not done: nothing" in told or "no further step was begun" in told
    assert setting in told or "ls -ld" in told


async def test_folder_that_was_removed_hinders_no_reading(
    variables: dict[str, str], tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = shlex.join([sys.executable, "-m", "stigmer_ops"])
    script = f"cd {gone} && rmdir {gone} && {command} pending list && {command} report"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", script),
        env=environment({**variables, "PYTHONPATH": str(Path(__file__).parents[2])}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()

    assert b"order-1" in out
    assert process.returncode == ExitCode.USAGE
    assert b"error: cannot write report-" in err


# --- Locales -----------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["table", "wide", "json", "jsonl", "yaml"])
async def test_foreign_ids_survive_a_terminal_without_a_locale(
    variables: dict[str, str], output: str
) -> None:
    done = await stigmer_ops("pending", "list", "-o", output, variables={**variables, **POOR})

    assert (done.code, done.err) == (ExitCode.OK, "")
    assert done.out.isascii()
    assert "Traceback" not in done.out
    if output in ("table", "wide"):
        assert "order-1" in done.out
        return
    if output == "jsonl":
        records = [json.loads(line) for line in done.out.splitlines()]
    else:
        read = json.loads(done.out) if output == "json" else yaml.safe_load(done.out)
        records = read["activities"]
    found = {record["workflow_id"] for record in records if "workflow_id" in record}
    assert found == {"order-1", *FOREIGN}


@pytest.mark.parametrize(
    "command",
    [
        ("pending", "show", "-w", FOREIGN[1]),
        ("diagnose",),
        ("report", "--out", "-", "--format", "md"),
        ("watch", "--count", "1"),
        ("exporter", "--once"),
        ("runbook", "show", "callback-failed"),
        ("activity", "complete", "-w", FOREIGN[2], "-a", ACTIVITY_ID, "--dry-run"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
async def test_commands_need_no_locale(variables: dict[str, str], command: tuple[str, ...]) -> None:
    done = await stigmer_ops(*command, variables={**variables, **POOR})
    assert done.code in (ExitCode.OK, ExitCode.FINDINGS), done.err
    assert (done.out + done.err).isascii()


# --- Streams -----------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["table", "jsonl"])
async def test_closed_standard_output_hinders_nothing(
    variables: dict[str, str], output: str
) -> None:
    done = await in_shell(("pending", "list", "-o", output), ">&-", variables)
    assert (done.code, done.out, done.err) == (ExitCode.OK, "", "")


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&- 2>&-", "<&-"])
async def test_closed_or_full_standard_error_changes_no_result(
    variables: dict[str, str], redirection: str
) -> None:
    listed = await in_shell(("pending", "list", "-o", "json"), redirection, variables)
    once = await in_shell(("exporter", "--once"), redirection, variables)
    wrong = await in_shell(("pending", "list", "--no-such"), redirection, variables)

    assert len(listed.json["activities"]) == 1 + len(FOREIGN)
    assert "stigmer_pending_external_activities" in once.out
    assert [listed.code, once.code, wrong.code] == [ExitCode.OK, ExitCode.OK, ExitCode.USAGE]


async def test_audit_trail_gets_no_output_of_closed_streams(
    variables: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "audit.jsonl"
    audited = {**variables, "STIGMER_OPS_AUDIT_PATH": str(path)}
    done = await in_shell((*EXTEND, "-o", "json"), "<&- >&- 2>&-", audited)
    verified = await stigmer_ops("audit", "verify", variables=audited)
    assert (done.code, verified.code) == (ExitCode.OK, ExitCode.OK), verified.out


@pytest.mark.parametrize("output", ["table", "json"])
async def test_reader_that_leaves_early_is_served(variables: dict[str, str], output: str) -> None:
    done = await in_shell(
        ("pending", "list", "-o", output), "| head -1; exit ${PIPESTATUS[0]}", variables
    )
    assert (done.code, done.err, len(done.out.splitlines())) == (ExitCode.OK, "", 1)


async def test_argument_that_is_no_text_is_refused(variables: dict[str, str]) -> None:
    done = await in_shell(("pending", "show"), "-w $'\\xff'", variables)
    assert done.code == ExitCode.USAGE
    assert "that is not UTF-8" in done.err
