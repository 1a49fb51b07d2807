"""Pending activities counted, as JSON shows them; the tables are in `pending_table`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.summary import DIMENSIONS, Summary, Tally
from stigmer_ops.render.text import rfc3339, seconds


def summary_record(summary: Summary) -> dict[str, Any]:
    """The counts, with the oldest activity and the nearest deadline of each group."""
    return {
        **_tally_record(summary.all, summary.now),
        **{
            dimension.name: {
                group: _tally_record(tally, summary.now)
                for group, tally in dimension.tallies(summary)
            }
            for dimension in DIMENSIONS
        },
    }


def _tally_record(tally: Tally, now: datetime) -> dict[str, Any]:
    oldest, nearest = tally.oldest, tally.nearest
    deadline = nearest.deadline if nearest else None
    return {
        "count": tally.count,
        "oldest": {**_ids(oldest), "age_seconds": seconds(oldest.age(now))} if oldest else None,
        "nearest_deadline": {
            **_ids(nearest),
            "deadline": rfc3339(deadline.time),
            "time_left_seconds": seconds(deadline.time - now),
        }
        if nearest and deadline
        else None,
    }


def _ids(activity: PendingActivity) -> dict[str, Any]:
    return {
        "workflow_id": activity.workflow_id or None,
        "run_id": activity.run_id,
        "activity_id": activity.activity_id,
    }
