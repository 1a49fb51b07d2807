"""A file of findings that were there when linting began, so that only new ones fail."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePath

from stigmer_ops.errors import InputError
from stigmer_ops.monitoring.lint.model import Finding
from stigmer_ops.untrusted.json_text import json_value

_VERSION = 1
_NUMBER = re.compile(r"\d+")


def fingerprint(finding: Finding) -> str:
    """What stays the same of a finding when lines move: rule, file, object and message."""
    path = PurePath(finding.path).as_posix()
    message = _NUMBER.sub("0", finding.message)
    identity = "\0".join((finding.rule, path, finding.object, message))
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def written(findings: Iterable[Finding]) -> str:
    """The text of a baseline file with these findings."""
    entries = [
        {
            "fingerprint": fingerprint(finding),
            "rule": finding.rule,
            "path": PurePath(finding.path).as_posix(),
            "object": finding.object,
            "message": finding.message,
        }
        for finding in findings
    ]
    entries.sort(key=lambda entry: tuple(entry.values())[1:])
    return (
        json.dumps({"version": _VERSION, "findings": entries}, indent=2, ensure_ascii=False) + "\n"
    )


def read(path: Path) -> Counter[str]:
    """The fingerprints of a baseline file, with how often each is there.

    Raises:
        InputError: There is no such file, or it is no baseline.
    """
    try:
        document = json_value(path.read_bytes())
        if document["version"] != _VERSION:
            raise InputError(f"{path} is a baseline of version {document['version']}")
        return Counter(str(entry["fingerprint"]) for entry in document["findings"])
    except FileNotFoundError as error:
        raise InputError(
            f"{path} does not exist",
            not_done="nothing was linted",
            next_step=f"stigmer-ops alerts lint --baseline {path} --write-baseline",
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no baseline file", not_done="nothing was linted") from error


def split(findings: Iterable[Finding], known: Counter[str]) -> tuple[list[Finding], list[Finding]]:
    """The findings that are new, and those that the baseline holds; `known` keeps the rest."""
    new, old = [], []
    for finding in findings:
        mark = fingerprint(finding)
        if known[mark] > 0:
            known[mark] -= 1
            old.append(finding)
        else:
            new.append(finding)
    return new, old
