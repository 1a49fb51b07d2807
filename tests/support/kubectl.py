"""A kubectl for tests: deployments in a file, and refusals as those of a real one.

    kubectl = RecordingKubectl(tmp_path / "kubectl")     # puts `kubectl` into that folder's bin
    ... variables=kubectl.variables ...
    assert kubectl.replicas == {"stigmer-server": 0, ...}
    assert kubectl.calls == ["scale deployment/stigmer-server --replicas=0", ...]

What it prints and refuses is as kubectl 1.31 does. Only the calls that stigmer-ops makes are known:
any other word or flag is an error, so that a test notices it.
"""

from __future__ import annotations

import json
import os
import shlex
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = "RECORDING_KUBECTL"
CONTEXT, NAMESPACE = "test", "stigmer"
DEPLOYMENTS = {"stigmer-server": 3, "stigmer-service": 2}


class RefusedError(Exception):
    """What kubectl prints on standard error before it exits with 1."""


class RecordingKubectl:
    """The deployments of a cluster, and the calls that were made for them."""

    def __init__(self, folder: Path, replicas: Mapping[str, int] = DEPLOYMENTS) -> None:
        self._folder = folder
        (folder / "bin").mkdir(parents=True)
        script = folder / "bin" / "kubectl"
        script.write_text(f"#!{sys.executable}\n" + _LAUNCH.format(file=__file__), encoding="utf-8")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        deployments = {
            name: {"replicas": count, "images": [{"app": "stigmer:1"}], "restarts": 0}
            for name, count in replicas.items()
        }
        self.state = {"deployments": deployments, "unreachable": False}

    @property
    def variables(self) -> dict[str, str]:
        """What makes stigmer-ops find it, and ask for its context and namespace."""
        return {
            "PATH": f"{self._folder / 'bin'}:{os.environ['PATH']}",
            FOLDER: str(self._folder),
            "STIGMER_OPS_KUBERNETES_CONTEXT": CONTEXT,
            "STIGMER_OPS_KUBERNETES_NAMESPACE": NAMESPACE,
        }

    @property
    def state(self) -> dict[str, Any]:
        """The cluster."""
        kept: dict[str, Any] = json.loads((self._folder / "state.json").read_text())
        return kept

    @state.setter
    def state(self, state: Mapping[str, Any]) -> None:
        (self._folder / "state.json").write_text(json.dumps(state))

    def set(self, **values: Any) -> None:
        """Change the cluster: `unreachable=True`."""
        self.state = self.state | values

    @property
    def replicas(self) -> dict[str, int]:
        """How many replicas of each deployment are asked for."""
        return {name: one["replicas"] for name, one in self.state["deployments"].items()}

    @property
    def calls(self) -> list[str]:
        """Every call, without context and namespace, refused ones among them."""
        path = self._folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


_LAUNCH = (
    "import runpy, sys\nsys.argv[0] = 'kubectl'\nrunpy.run_path({file!r}, run_name='kubectl')\n"
)


def _answer(arguments: list[str], state: dict[str, Any]) -> str:
    flags = [word for word in arguments if word.startswith("-")]
    words = [word for word in arguments if not word.startswith("-")]
    given = dict(flag.lstrip("-").split("=", 1) for flag in flags if "=" in flag)
    if state["unreachable"]:
        raise RefusedError("The connection to the server 10.0.0.1:6443 was refused")
    if given.pop("context", CONTEXT) != CONTEXT:
        raise RefusedError("error: context was not found for specified context")
    namespace = given.pop("namespace", "default")
    verb = " ".join(words[: 2 if words[:1] in (["rollout"], ["set"]) else 1])
    if verb not in _VERBS:
        raise RefusedError(f'error: unknown command "{verb}" for "kubectl"')
    allowed, call = _VERBS[verb]
    for name in given:
        if name not in allowed:
            raise RefusedError(f"error: unknown flag: --{name}")
    target, *rest = words[len(verb.split()) :]
    kind, _, name = target.partition("/")
    if kind != "deployment" or not name:
        raise RefusedError(f"error: the server doesn't have a resource type {target!r}")
    if name not in state["deployments"] or namespace != NAMESPACE:
        raise RefusedError(f'Error from server (NotFound): deployments.apps "{name}" not found')
    return str(call(name, state["deployments"][name], given, rest))


def _get(_name: str, one: dict[str, Any], given: dict[str, str], _rest: list[str]) -> str:
    known = {
        "jsonpath={.spec.replicas}": str(one["replicas"]),
        r"jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}": str(
            len(one["images"])
        ),
        "jsonpath={.spec.template.spec.containers[*].name}": " ".join(one["images"][-1]),
        "jsonpath={.spec.template.spec.containers[*].image}": " ".join(one["images"][-1].values()),
    }
    if given.get("o") not in known:
        raise RefusedError(f"error: unable to match a printer suitable for {given.get('o')!r}")
    return known[given["o"]]


def _scale(name: str, one: dict[str, Any], given: dict[str, str], _rest: list[str]) -> str:
    if "replicas" not in given:
        raise RefusedError('error: required flag(s) "replicas" not set')
    if not given["replicas"].isdecimal():
        raise RefusedError(f'error: invalid argument "{given["replicas"]}" for "--replicas" flag')
    one["replicas"] = int(given["replicas"])
    return f"deployment.apps/{name} scaled"


def _status(name: str, _one: dict[str, Any], given: dict[str, str], _rest: list[str]) -> str:
    if not given.get("timeout", "1s").endswith(("s", "m", "h")):
        raise RefusedError(f'error: invalid argument "{given["timeout"]}" for "--timeout" flag')
    return f'deployment "{name}" successfully rolled out'


def _restart(name: str, one: dict[str, Any], _given: dict[str, str], _rest: list[str]) -> str:
    one["restarts"] += 1
    return f"deployment.apps/{name} restarted"


def _undo(name: str, one: dict[str, Any], given: dict[str, str], _rest: list[str]) -> str:
    """As Kubernetes does: the former revision becomes the newest, and its old number is gone."""
    images = one["images"]
    kept = [number for number, image in enumerate(images, 1) if image is not None]
    if "to-revision" not in given and len(kept) < 2:
        raise RefusedError(f'error: no rollout history found for deployment "{name}"')
    wanted = int(given.get("to-revision", kept[-2] if len(kept) > 1 else 0))
    if wanted not in kept:
        raise RefusedError(f"error: unable to find specified revision {wanted} in history")
    if wanted == kept[-1]:
        return f"deployment.apps/{name} skipped rollback (current template already matches)"
    images.append(images[wanted - 1])
    images[wanted - 1] = None
    return f"deployment.apps/{name} rolled back"


def _set_image(name: str, one: dict[str, Any], _given: dict[str, str], rest: list[str]) -> str:
    container, _, image = rest[0].partition("=") if rest else ("", "", "")
    if not image:
        raise RefusedError("error: at least one image update is required")
    if container not in one["images"][-1]:
        raise RefusedError(f'error: unable to find container named "{container}"')
    one["images"].append(one["images"][-1] | {container: image})
    return f"deployment.apps/{name} image updated"


_VERBS: dict[str, tuple[frozenset[str], Any]] = {
    "get": (frozenset({"o"}), _get),
    "scale": (frozenset({"replicas"}), _scale),
    "rollout status": (frozenset({"timeout"}), _status),
    "rollout restart": (frozenset(), _restart),
    "rollout undo": (frozenset({"to-revision"}), _undo),
    "set image": (frozenset(), _set_image),
}


def _run() -> int:
    folder, arguments = Path(os.environ[FOLDER]), sys.argv[1:]
    told = [word for word in arguments if not word.startswith(("--context=", "--namespace="))]
    with (folder / "calls").open("a") as calls:
        calls.write(shlex.join(told) + "\n")
    state = json.loads((folder / "state.json").read_text())
    try:
        sys.stdout.write(_answer(arguments, state) + "\n")
    except RefusedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    (folder / "state.json").write_text(json.dumps(state))
    return 0


if __name__ == "kubectl":
    sys.exit(_run())
