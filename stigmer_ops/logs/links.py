"""Asking Temporal for what no log line says: which activity an execution will complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from stigmer_ops.handshake.execution import Claim


class LinkSource(Protocol):
    """Knows the tokens of executions; `diagnosis.links` reads them from the Stigmer workflows."""

    async def claims(self, execution_ids: Sequence[str]) -> Mapping[str, Claim]:
        """What the tokens of these executions say; those that cannot be read are left out.

        Raises:
            StigmerOpsError: Nothing could be asked at all.
        """
        ...
