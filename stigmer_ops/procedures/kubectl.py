"""Kubernetes by kubectl: every command shown before it runs, and run only where that is asked.

Without --execute, or without kubectl on PATH, the commands are for a person to type: the step waits
until it is confirmed.
"""

from __future__ import annotations

import asyncio
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from stigmer_ops.errors import CapabilityError, ExitCode, StigmerOpsError
from stigmer_ops.procedures.runner.journal import StepRecord
from stigmer_ops.procedures.runner.step import StepResult, waiting
from stigmer_ops.settings import Kubernetes

EXECUTABLE = "kubectl"
_LINES_TOLD = 3
_REVISION = r"{.metadata.annotations.deployment\.kubernetes\.io/revision}"
_GRACE = timedelta(seconds=15)
"""What kubectl gets beyond its own timeout, to say that it ran into it."""


class KubectlError(StigmerOpsError):
    """kubectl ended with an error. The message is its own."""

    reference = "kubectl"
    exit_code = ExitCode.UNAVAILABLE
    usual_next_step = "run the command that is named there by hand; stigmer-ops config show"


@dataclass(frozen=True, slots=True)
class Command:
    """One call of kubectl: what follows its name, context and namespace included."""

    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return shlex.join([EXECUTABLE, *self.arguments])


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl for the deployments of Stigmer.

    Attributes:
        settings: Context, namespace and deployments.
        execute: Whether commands are run at all; else they are only shown.
    """

    settings: Kubernetes
    execute: bool = False

    @property
    def runs(self) -> bool:
        """Whether commands are run: they may be, and kubectl is on PATH."""
        return self.execute and shutil.which(EXECUTABLE) is not None

    @property
    def why_not(self) -> str:
        """Why commands are not run, as a clause; empty if they are."""
        if self.execute and not self.runs:
            return "kubectl is not on PATH"
        return "" if self.execute else "--execute is not given"

    def command(self, *words: str) -> Command:
        """The call with these words, in the context and namespace of the settings."""
        context = (f"--context={self.settings.context}",) if self.settings.context else ()
        return Command((*context, f"--namespace={self.settings.namespace}", *words))

    def scale(self, deployment: str, replicas: int) -> Command:
        """Set the number of replicas."""
        return self.command("scale", f"deployment/{deployment}", f"--replicas={replicas}")

    def rollout_status(self, deployment: str) -> Command:
        """Wait until a rollout has ended."""
        timeout = f"--timeout={self.settings.rollout_timeout.total_seconds():.0f}s"
        return self.command("rollout", "status", f"deployment/{deployment}", timeout)

    def rollout_restart(self, deployment: str) -> Command:
        """Replace every pod by a fresh one."""
        return self.command("rollout", "restart", f"deployment/{deployment}")

    def rollout_undo(self, deployment: str, to_revision: int | None = None) -> Command:
        """Return to a revision, or else to the one before the present one."""
        exactly = () if to_revision is None else (f"--to-revision={to_revision}",)
        return self.command("rollout", "undo", f"deployment/{deployment}", *exactly)

    def set_image(self, deployment: str, container: str, image: str) -> Command:
        """Set the image of a container."""
        return self.command("set", "image", f"deployment/{deployment}", f"{container}={image}")

    def get_replicas(self, deployment: str) -> Command:
        """Print how many replicas are asked for."""
        return self.command("get", f"deployment/{deployment}", "-o=jsonpath={.spec.replicas}")

    def get_revision(self, deployment: str) -> Command:
        """Print which revision is rolled out; rollbacks name it."""
        return self.command("get", f"deployment/{deployment}", f"-o=jsonpath={_REVISION}")

    async def replicas(self, deployment: str) -> int:
        """How many replicas are asked for.

        Raises:
            KubectlError: It cannot be read.
        """
        return await self._number(self.get_replicas(deployment))

    async def revision(self, deployment: str) -> int:
        """Which revision is rolled out.

        Raises:
            KubectlError: It cannot be read.
        """
        return await self._number(self.get_revision(deployment))

    async def _number(self, command: Command) -> int:
        told = await self.run(command)
        try:
            return int(told)
        except ValueError as error:
            raise KubectlError(f"{command} printed {told[:80]!r}, which is no number") from error

    async def run(self, command: Command) -> str:
        """Run a command; what it printed.

        Raises:
            CapabilityError: kubectl is not on PATH.
            KubectlError: It ended with an error, or not in time.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                EXECUTABLE,
                *command.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError as error:
            raise CapabilityError(
                "kubectl is not on PATH", not_done=f"{command} was not run"
            ) from error
        limit = (self.settings.rollout_timeout + _GRACE).total_seconds()
        try:
            async with asyncio.timeout(limit):
                out, err = await process.communicate()
        except TimeoutError as error:
            raise KubectlError(f"{command} did not end within {limit:.0f} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            told = err.decode(errors="replace").strip().splitlines()[-_LINES_TOLD:]
            raise KubectlError(f"{command}: {' '.join(told) or f'exit {process.returncode}'}")
        return out.decode(errors="replace").strip()

    async def run_or_wait(
        self, commands: Sequence[Command], record: StepRecord
    ) -> StepResult | None:
        """Run commands in order, or have somebody type them.

        Each must be such that running it again changes nothing: a step that was cut off does.

        Returns:
            None where they were run, or typed and confirmed; else what the step has to return.

        Raises:
            KubectlError: One ended with an error; those after it were not run.
        """
        if record.confirmed:
            return None
        if not self.runs:
            return waiting(
                f"{self.why_not}, so this is to be typed by hand", [str(one) for one in commands]
            )
        for number, command in enumerate(commands, 1):
            await self.run(command)
            record.report(number, len(commands))
        return None
