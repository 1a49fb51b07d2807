"""What can go wrong, said the same way everywhere.

Every error that a person may see is a subclass of `StigmerOpsError`. It says three things: what
happened, what was not done because of it, and what to type next. The command line turns it into an
exit code (`ExitCode`) and renders it; nothing below the command line prints or exits.

This module imports nothing of the package, so that every layer may raise.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

NOTHING_SENT = "nothing was sent to Temporal"
"""What most refusals have as `not_done`."""


class ExitCode(IntEnum):
    """The process exit codes, the same for every command."""

    OK = 0
    """Done, or healthy."""
    FINDINGS = 1
    """Something that the command looks for was found: unhealthy, stuck, lint errors."""
    USAGE = 2
    """The command line, the settings file or an input file is wrong."""
    UNAVAILABLE = 3
    """A system could not be reached, refused our credentials, or could not be read in full."""
    REFUSED = 4
    """Refused for safety: stale, already done, read-only, not confirmed."""
    PARTIAL = 5
    """Partly done; running the command again resumes."""
    INTERNAL = 70
    """A defect in stigmer-ops itself (EX_SOFTWARE of sysexits.h)."""
    INTERRUPTED = 130
    """Interrupted with Ctrl-C (128 + SIGINT)."""


class StigmerOpsError(Exception):
    """An error that is told to a person.

    Args:
        happened: One sentence: what happened, with the place (file:line, byte offset, address).
        not_done: What was therefore not done, for example "nothing was sent to Temporal". Empty
            for reads, where the missing answer says it all.
        next_step: The next command to type, or the next thing to look at, where more is known
            than what is usual for the kind of error; see `advice`.

    Subclasses set `reference`, a stable kebab-case name that is documented in docs/errors.md, and
    `exit_code`. Their docstring is the explanation printed there.
    """

    reference: ClassVar[str] = "error"
    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL
    usual_next_step: ClassVar[str] = "run it again with --debug and report the traceback"

    def __init__(self, happened: str, *, not_done: str = "", next_step: str = "") -> None:
        super().__init__(happened)
        self.happened = happened
        self.not_done = not_done
        self.next_step = next_step

    @property
    def advice(self) -> str:
        """What to do next: as it was given, or what is usual for this kind of error."""
        return self.next_step or self.usual_next_step


class UsageError(StigmerOpsError):
    """The options contradict each other, or a value is not of the form that the option takes."""

    reference = "wrong-usage"
    exit_code = ExitCode.USAGE
    usual_next_step = "add --help to see what the command takes"


class InputError(StigmerOpsError):
    """A file, standard input or an environment variable holds something that cannot be used.

    The message names the place: file and line, or byte offset.
    """

    reference = "bad-input"
    exit_code = ExitCode.USAGE
    usual_next_step = "mend what is named there, and run the command again"


class SettingsError(StigmerOpsError):
    """The settings file or a STIGMER_OPS_* variable is not valid. The message names the line."""

    reference = "bad-settings"
    exit_code = ExitCode.USAGE
    usual_next_step = "mend what is named there, then: stigmer-ops config check"


class UnavailableError(StigmerOpsError):
    """A system (Temporal, Stigmer, Prometheus) could not be reached, or did not answer in time."""

    reference = "unavailable"
    exit_code = ExitCode.UNAVAILABLE
    usual_next_step = "try again; stigmer-ops check says what is down"


class DeniedError(StigmerOpsError):
    """A system answered, and refused us: no permission, unknown credentials, unknown namespace."""

    reference = "denied"
    exit_code = ExitCode.UNAVAILABLE
    usual_next_step = "check the credentials and the namespace: stigmer-ops config show"


class CapabilityError(StigmerOpsError):
    """The server is too old, or configured, so that it lacks what the command needs."""

    reference = "capability-missing"
    exit_code = ExitCode.UNAVAILABLE
    usual_next_step = "see what the server lacks: stigmer-ops check --category temporal"


class RefusedError(StigmerOpsError):
    """Refused for safety before anything was sent: read-only mode, no confirmation, no reason."""

    reference = "refused"
    exit_code = ExitCode.REFUSED
    usual_next_step = "look at what is pending now: stigmer-ops pending list"


class StaleError(RefusedError):
    """The attempt that was to be written to is no longer the one that is pending.

    It was retried, completed, failed, timed out, reset, or its workflow closed. The message says
    what it is now.
    """

    reference = "stale"


class AuditError(StigmerOpsError):
    """The audit file cannot be written or its chain of digests is broken.

    A write that cannot be audited is not made.
    """

    reference = "audit"
    exit_code = ExitCode.REFUSED
    usual_next_step = "see whether the record is whole: stigmer-ops audit verify"
