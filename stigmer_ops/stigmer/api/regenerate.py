"""Generate the Python code of Stigmer's gRPC API subset, or check that it is up to date.

Needs the development tools `grpcio-tools` and `mypy-protobuf` (typed stubs of the services).

Usage:
    python -m stigmer_ops.stigmer.api.regenerate          # write the *_pb2* files
    python -m stigmer_ops.stigmer.api.regenerate --check  # exit 1 when one of them would change
"""

from __future__ import annotations

import sys
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
"""The folder that holds the package: imports in .proto files and generated code start there."""


def generate(into: Path) -> None:
    """Run protoc over every .proto file beside this module.

    Args:
        into: Folder that receives `stigmer_ops/stigmer/api/*_pb2*`.

    Raises:
        SystemExit: If protoc refused a file; it has said why on standard error.
    """
    # A development tool, absent from an installed package, and without type information.
    from grpc_tools import protoc  # type: ignore[import-untyped]  # noqa: PLC0415

    well_known_types = Path(protoc.__file__).parent / "_proto"
    scripts = Path(sysconfig.get_path("scripts"))
    options = [
        f"--proto_path={ROOT}",
        f"--proto_path={well_known_types}",
        f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
    ]
    sources = sorted(HERE.glob("*.proto"))
    services = [source for source in sources if "\nservice " in source.read_text("utf-8")]
    for plugins, files in (
        ([f"--python_out={into}", f"--mypy_out=quiet:{into}"], sources),
        ([f"--grpc_python_out={into}", f"--mypy_grpc_out=quiet:{into}"], services),
    ):
        names = [file.relative_to(ROOT).as_posix() for file in files]
        if code := protoc.main(["protoc", *options, *plugins, *names]):
            raise SystemExit(code)


def differing() -> list[str]:
    """Generate aside and compare.

    Returns:
        The names of the committed files that are missing, superfluous, or not what protoc writes.
    """
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        fresh = {path.name: path.read_bytes() for path in Path(scratch).rglob("*_pb2*")}
    committed = {path.name: path.read_bytes() for path in HERE.glob("*_pb2*")}
    names = sorted(fresh.keys() | committed.keys())
    return [name for name in names if fresh.get(name) != committed.get(name)]


def main() -> int:
    """Write the generated files, or with `--check` name those that differ on standard error."""
    if "--check" not in sys.argv[1:]:
        generate(ROOT)
        return 0
    changed = differing()
    if changed:
        sys.stderr.write(f"generated code is out of date: {', '.join(changed)}\n")
    return 1 if changed else 0


if __name__ == "__main__":
    raise SystemExit(main())
