"""The distribution: built twice to the same bytes, and installed as its users install it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sys
import tarfile
import zipfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from stigmer_ops import __version__
from stigmer_ops.runbook import pages
from support.command_line import environment
from support.commands import commands

ROOT = Path(__file__).parent.parent.parent
EPOCH = "1764000000"
NOT_SOURCE = shutil.ignore_patterns(".*", "__pycache__", "dist", "build", "*.egg-info")
INSTALL_SECONDS = 600


@dataclass(frozen=True)
class Built:
    """The files that a build made."""

    folder: Path

    @property
    def wheel(self) -> Path:
        return next(self.folder.glob("*.whl"))

    @property
    def sdist(self) -> Path:
        return next(self.folder.glob("*.tar.gz"))

    @property
    def digests(self) -> dict[str, str]:
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (self.wheel, self.sdist)
        }


async def run(
    *command: str,
    folder: Path | None = None,
    variables: Mapping[str, str] | None = None,
    seconds: float = 120,
) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder or "/",
        env=environment(variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), seconds)
    assert process.returncode == 0, f"{command}\n{out.decode()}\n{err.decode()}"
    return out.decode()


async def built(source: Path, folder: Path) -> Built:
    await run(
        *(sys.executable, "-m", "hatchling", "build", "-d", str(folder)),
        folder=source,
        variables={"SOURCE_DATE_EPOCH": EPOCH},
    )
    return Built(folder)


def unpacked(sdist: Path, folder: Path) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return folder / sdist.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same sources twice, of another time and with other permissions."""
    one = tmp_path_factory.mktemp("one") / "stigmer-ops"
    other = tmp_path_factory.mktemp("other") / "of-another-name"
    shutil.copytree(ROOT, one, ignore=NOT_SOURCE)
    shutil.copytree(one, other, copy_function=shutil.copyfile)
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700 if path.is_dir() else 0o600)
    return one, other


@pytest.fixture(scope="module")
async def distribution(
    sources: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Built:
    return await built(sources[0], tmp_path_factory.mktemp("built"))


async def test_builds_are_the_same_byte_for_byte(
    sources: tuple[Path, Path], distribution: Built, tmp_path: Path
) -> None:
    again = await built(sources[1], tmp_path)
    assert again.digests == distribution.digests
    assert __version__ in distribution.wheel.name


async def test_wheel_can_be_built_from_the_sdist(distribution: Built, tmp_path: Path) -> None:
    again = await built(unpacked(distribution.sdist, tmp_path), tmp_path / "dist")
    assert again.digests[distribution.wheel.name] == distribution.digests[distribution.wheel.name]


def test_wheel_holds_the_package_and_what_it_reads_and_no_test(distribution: Built) -> None:
    with zipfile.ZipFile(distribution.wheel) as archive:
        names = set(archive.namelist())
    data = f"stigmer_ops-{__version__}.data/data/share"
    assert {f"stigmer_ops/runbooks/{page.path}" for page in pages()} <= names
    assert {
        "stigmer_ops/py.typed",
        "stigmer_ops/render/preview/theme.css",
        "stigmer_ops/alertmanager/alertmanager.yaml",
        f"{data}/man/man1/stigmer-ops.1",
        f"{data}/bash-completion/completions/stigmer-ops",
        f"{data}/zsh/site-functions/_stigmer-ops",
        f"{data}/fish/vendor_completions.d/stigmer-ops.fish",
    } <= names
    assert [name for name in names if name.startswith(("tests", "docs", "benchmarks"))] == []


@dataclass(frozen=True)
class Installed:
    """What pipx put where."""

    home: Path

    @property
    def program(self) -> str:
        return str(self.home / "bin" / "stigmer-ops")

    @property
    def prefix(self) -> Path:
        return self.home / "venvs" / "stigmer-ops"

    @property
    def python(self) -> str:
        return str(self.prefix / "bin" / "python")


@pytest.fixture(scope="module")
async def installed(
    distribution: Built, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installed]:
    """The wheel in an environment of its own, with what it asks for and nothing else."""
    home = tmp_path_factory.mktemp("pipx")
    variables = {
        "PIPX_HOME": str(home),
        "PIPX_BIN_DIR": str(home / "bin"),
        "PIPX_MAN_DIR": str(home / "man"),
        "PIPX_DEFAULT_PYTHON": sys.executable,
        **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
    }
    pip = f"--constraint {ROOT / 'constraints.txt'} --disable-pip-version-check"
    await run(
        *(sys.executable, "-m", "pipx", "install", f"--pip-args={pip}", str(distribution.wheel)),
        variables=variables,
        seconds=INSTALL_SECONDS,
    )
    yield Installed(home)
    shutil.rmtree(home)


@pytest.mark.timeout(INSTALL_SECONDS + 60)
async def test_installed_program_runs(installed: Installed) -> None:
    version = f"stigmer-ops {__version__}\n"
    assert await run(installed.program, "--version") == version
    assert await run(installed.python, "-m", "stigmer_ops", "--version") == version
    where = await run(installed.python, "-c", "import stigmer_ops; print(stigmer_ops.__file__)")
    assert Path(where.strip()).is_relative_to(installed.prefix)


async def test_every_command_of_the_installed_program_has_its_help(installed: Installed) -> None:
    program = (
        "import sys, typer.main\n"
        "from stigmer_ops.cli.main import app\n"
        "root = typer.main.get_command(app)\n"
        "print('\\n'.join(name for name, _ in root.every_command()))\n"
    )
    names = (await run(installed.python, "-c", program)).splitlines()
    assert names == [name for name, _ in commands()]


async def test_installed_program_has_runbook_rules_and_dashboards(
    installed: Installed, tmp_path: Path
) -> None:
    shown = await run(installed.program, "runbook", "show", "token-stale")
    assert "The activity was retried: the execution holds the token of another attempt" in shown
    assert "stigmer-ops activity redeliver" in shown
    await run(installed.program, "alerts", "generate", "--out", str(tmp_path / "alerts"))
    rules = "stigmer-completions.yaml"
    assert (tmp_path / "alerts" / rules).read_text() == (ROOT / "alerts" / rules).read_text()
    await run(installed.program, "dashboards", "generate", "--out", str(tmp_path / "dashboards"))
    dashboard = "stigmer-external-activities.json"
    assert (tmp_path / "dashboards" / dashboard).read_text() == (
        ROOT / "dashboards" / dashboard
    ).read_text()


async def test_manual_page_is_where_man_looks(installed: Installed) -> None:
    page = installed.home / "man" / "man1" / "stigmer-ops.1"
    assert page.read_text() == (ROOT / "man" / "stigmer-ops.1").read_text()


async def test_bash_completes_commands_and_options(installed: Installed) -> None:
    script = installed.prefix / "share/bash-completion/completions/stigmer-ops"
    completed = {
        line: await complete(installed, script, line)
        for line in ("stigmer-ops pend", "stigmer-ops pending s", "stigmer-ops diagnose --old")
    }
    assert completed == {
        "stigmer-ops pend": ["pending"],
        "stigmer-ops pending s": ["show", "summary"],
        "stigmer-ops diagnose --old": ["--older-than"],
    }


async def complete(installed: Installed, script: Path, line: str) -> list[str]:
    """What bash would offer at the end of a line, by the function that it is told to call."""
    program = (
        f"source {script}\n"
        "function=$(complete -p stigmer-ops | sed 's/.*-F \\([^ ]*\\) .*/\\1/')\n"
        f"COMP_WORDS=({line})\n"
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
        "$function stigmer-ops\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    path = f"{installed.home / 'bin'}:{os.environ['PATH']}"
    return sorted((await run("bash", "-c", program, variables={"PATH": path})).split())
