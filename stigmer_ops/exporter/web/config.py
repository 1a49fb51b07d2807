"""The file that says how the metrics are served: TLS, passwords, headers.

Its format is that of Prometheus' own exporters (docs/web-configuration.md of
prometheus/exporter-toolkit), so that one file serves them all. Like there, files that have changed
are read again; unlike there, what Python's TLS cannot do is refused, not ignored.
"""

from __future__ import annotations

import difflib
import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stigmer_ops.errors import InputError
from stigmer_ops.untrusted.yaml_text import YamlProblem, value_of, yaml_node

ClientAuth = Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"]
"""Those of Go's ClientAuthType that verify what they ask for."""
Version = Literal["TLS10", "TLS11", "TLS12", "TLS13"]
Header = Literal[
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
]

_VERIFY = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TlsServer(_Section):
    """`tls_server_config`; paths are relative to the file that names them."""

    cert_file: Path
    key_file: Path
    client_auth_type: ClientAuth = "NoClientCert"
    client_ca_file: Path | None = None
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"

    @model_validator(mode="after")
    def _has_what_it_verifies_with(self) -> TlsServer:
        if self.client_auth_type != "NoClientCert" and self.client_ca_file is None:
            raise ValueError(f"{self.client_auth_type} needs client_ca_file")
        if self.client_auth_type == "NoClientCert" and self.client_ca_file is not None:
            raise ValueError("client_ca_file needs client_auth_type: RequireAndVerifyClientCert")
        return self


class HttpServer(_Section):
    """`http_server_config`; we speak HTTP/1, which every client of HTTP/2 can fall back to."""

    http2: bool = True
    headers: Mapping[Header, Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")]] = {}


Bcrypt = Annotated[str, Field(pattern=r"^\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$")]


class WebConfig(_Section):
    """The whole file."""

    tls_server_config: TlsServer | None = None
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: Mapping[str, Bcrypt] = Field(default={}, repr=False)


class WebConfigFile:
    """A web configuration file, read again whenever it or a file that it names has changed.

    Attributes:
        config: What it said when it was last valid.
        context: For TLS; None where it is not spoken.
    """

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises:
            InputError: It, or a file that it names, cannot be used; with file and line.
        """
        self.path = path
        self._read()

    def _read(self) -> None:
        config = parse(self.path)
        self._seen = self._stamps(config)
        self.context = _context(self.path, config.tls_server_config)
        self.config = config

    def refresh(self, told: Callable[[InputError], None]) -> None:
        """Read it again if it has changed; what is not valid is told, and changes nothing."""
        if self._stamps(self.config) == self._seen:
            return
        try:
            self._read()
        except InputError as error:
            # Once for each change: what is there now has been seen.
            self._seen = self._stamps(self.config)
            told(error)

    def _stamps(self, config: WebConfig) -> tuple[tuple[int, int] | None, ...]:
        files = [self.path]
        tls = config.tls_server_config
        if tls is not None:
            named = (tls.cert_file, tls.key_file, tls.client_ca_file)
            files += [self.path.parent / name for name in named if name is not None]
        return tuple(_stamp(file) for file in files)


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ino)


def _context(path: Path, tls: TlsServer | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.min_version]
    context.maximum_version = _VERSIONS[tls.max_version]
    context.verify_mode = _VERIFY[tls.client_auth_type]
    folder = path.parent
    _loaded(
        path,
        f"{tls.cert_file} and {tls.key_file}",
        lambda: context.load_cert_chain(folder / tls.cert_file, folder / tls.key_file),
    )
    authority = tls.client_ca_file
    if authority is not None:
        _loaded(path, str(authority), lambda: context.load_verify_locations(folder / authority))
    return context


def _loaded(path: Path, what: str, load: Callable[[], None]) -> None:
    try:
        load()
    except OSError as error:  # ssl.SSLError is one
        raise InputError(f"{path}: cannot use {what}: {error.strerror or error}") from None


def parse(path: Path) -> WebConfig:
    """Read and check the file.

    Raises:
        InputError: With file and line of everything that is wrong.
    """
    try:
        root = yaml_node(path.read_text(encoding="utf-8"))
        values = None if root is None else value_of(root)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}") from None
    except YamlProblem as error:
        raise InputError(f"{path}:{error.line}: {error.problem}") from None
    if root is None:
        return WebConfig()
    lines = dict(_places(root, (), path))
    try:
        return WebConfig.model_validate(values)
    except ValidationError as error:
        problems = (_problem(path, lines, one) for one in error.errors(include_input=False))
        raise InputError("\n".join(problems)) from None


def _places(
    node: yaml.Node, above: tuple[str, ...], path: Path
) -> Iterator[tuple[tuple[str, ...], int]]:
    """The line of every key, by its path; that of the file is its first."""
    yield above, node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        place, line = (*above, str(key.value)), key.start_mark.line + 1
        if place[-1] in seen:
            raise InputError(f"{path}:{line}: {'.'.join(place)} is given twice")
        seen.add(place[-1])
        yield from _places(value, place, path)
        yield place, line


def _problem(path: Path, lines: Mapping[tuple[str, ...], int], problem: Mapping[str, Any]) -> str:
    """One line for one problem, without the value: it may be somebody's hash."""
    place = tuple(str(part) for part in problem["loc"])
    line = next(lines[place[:size]] for size in range(len(place), -1, -1) if place[:size] in lines)
    return f"{path}:{line}: {'.'.join(place)}: {_said(place, problem)}".replace(": : ", ": ")


def _said(place: tuple[str, ...], problem: Mapping[str, Any]) -> str:
    match problem["type"]:
        case "extra_forbidden":
            return f"there is no such key, or it is not supported here{_suggestion(place)}"
        case "missing":
            return "is missing"
        case "string_pattern_mismatch" if place[0] == "basic_auth_users":
            return "not a bcrypt hash, as htpasswd -nBC 10 NAME prints it"
        case "model_type" | "dict_type":
            return "must be a mapping"
        case "literal_error" if place[-1] == "client_auth_type":
            return f"{problem['msg']}; others verify nothing"
        case _:
            return str(problem["msg"]).removeprefix("Value error, ")


def _suggestion(place: tuple[str, ...]) -> str:
    section: type[BaseModel] = WebConfig
    if len(place) > 1:
        section = {"tls_server_config": TlsServer}.get(place[0], HttpServer)
    near = difflib.get_close_matches(place[-1], section.model_fields, 1)
    return f"; did you mean {near[0]}?" if near else ""
