"""Run targets under atheris, guided by coverage: `make fuzz`, or `python -m fuzz NAME …`.

Each target has a process of its own, since libFuzzer ends its process. What it finds is written
below build/fuzz/findings; `python -m fuzz NAME --replay FILE` shows what it does.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path
from random import Random

BUILD = Path("build", "fuzz")
MEGABYTES = 2_048
"""Of memory at most; the readers promise less than a few hundred."""
SECONDS_EACH = 20
"""For one content at most."""
LARGEST = 65_536
"""Bytes of content."""


def main() -> int:
    """Run the targets one after the other; 1 if any of them found something."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", help="targets; all of them if none is named")
    parser.add_argument("--seconds", type=int, default=300, help="for each target")
    parser.add_argument("--replay", type=Path, help="read the content of a file once")
    parser.add_argument("--here", action="store_true", help="fuzz one target in this process")
    given = parser.parse_args()
    if given.here:
        _fuzz(given.names[0], given.seconds)
    if given.replay:
        from fuzz.target import attempt
        from fuzz.targets import BY_NAME

        attempt(BY_NAME[given.names[0]], given.replay.read_bytes())
        return 0
    found = [name for name in given.names or _all_names() if _run(name, given.seconds) != 0]
    sys.stderr.write(f"found something: {', '.join(found) or 'no target'}\n")
    return bool(found)


def _all_names() -> list[str]:
    from fuzz.targets import TARGETS

    return [target.name for target in TARGETS]


def _run(name: str, seconds: int) -> int:
    sys.stderr.write(f"== {name}, {seconds} s\n")
    command = [sys.executable, "-m", "fuzz", name, "--here", "--seconds", str(seconds)]
    return subprocess.run(command, check=False).returncode


def _fuzz(name: str, seconds: int) -> None:
    """Fuzz one target until the time is over; libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["stigmer_ops", "yaml"]):
        from fuzz.mutation import mutated
        from fuzz.target import attempt
        from fuzz.targets import BY_NAME

    target = BY_NAME[name]
    corpus, findings = BUILD / "corpus" / name, BUILD / "findings" / name
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds:
        (corpus / hashlib.sha256(seed).hexdigest()).write_bytes(seed)

    def mutate(content: bytes, limit: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.5:
            return bytes(atheris.Mutate(content, limit))
        return mutated(content, target.seeds, random, limit=limit)

    options = {
        "max_total_time": seconds,
        "timeout": SECONDS_EACH,
        "rss_limit_mb": MEGABYTES,
        "max_len": LARGEST,
        "artifact_prefix": f"{findings}/",
        "print_final_stats": 1,
        "verbosity": 0,
    }
    arguments = [f"-{option}={value}" for option, value in options.items()]
    atheris.Setup(
        [sys.argv[0], *arguments, str(corpus)],
        lambda content: attempt(target, content),
        custom_mutator=mutate,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
