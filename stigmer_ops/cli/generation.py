"""What every command that generates files does with them: write them, or compare them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stigmer_ops.cli.context import Invocation
from stigmer_ops.errors import ExitCode
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console


def deliver(
    invocation: Invocation, directory: Path, wanted: Mapping[str, str], header: str, *, check: bool
) -> ExitCode:
    """Write `wanted` (file name to text) below `directory`; with `check`, compare only.

    Returns:
        FINDINGS where `check` found a difference.

    Raises:
        InputError: A file cannot be read or written.
    """
    from stigmer_ops.monitoring.generated import State, compare, write
    from stigmer_ops.render.generated import (
        compared_record,
        print_differences,
        written_record,
        written_table,
    )

    files = compare(directory, wanted, header)
    stale = [file for file in files if file.state is not State.SAME]
    if not check:
        write(files)
    records = [compared_record(file) if check else written_record(file) for file in files]

    def table(console: Console, _wide: bool) -> None:
        if check:
            print_differences(console, stale)
        else:
            written_table(console, files)

    lines = [("GeneratedFile", record) for record in records]
    invocation.write(Document("GeneratedFiles", {"files": records}, lines), table)
    if check and invocation.output.for_people:
        count = f"{len(stale)} of {len(files)} files differ" if stale else "up to date"
        invocation.say(f"{directory}: {count}")
    return ExitCode.FINDINGS if check and stale else ExitCode.OK
