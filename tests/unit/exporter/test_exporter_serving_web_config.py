"""The web configuration file is that of Prometheus' exporters, and its mistakes have lines."""

from __future__ import annotations

import ssl
from pathlib import Path

import bcrypt
import pytest
import trustme

from stigmer_ops.errors import InputError
from stigmer_ops.exporter.web.config import WebConfigFile, parse
from stigmer_ops.exporter.web.passwords import Passwords
from stigmer_ops.exporter.web.server import Listen

# The hash that exporter-toolkit's documentation shows.
HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "web.yml"


def test_every_key_that_is_supported(path: Path) -> None:
    path.write_text(f"""
tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  min_version: TLS13
  max_version: TLS13
http_server_config:
  http2: false
  headers:
    X-Frame-Options: deny
basic_auth_users:
  alice: {HASH}
""")
    config = parse(path)
    assert config.tls_server_config is not None
    assert config.tls_server_config.client_auth_type == "RequireAndVerifyClientCert"
    assert config.http_server_config.headers == {"X-Frame-Options": "deny"}
    assert config.basic_auth_users == {"alice": HASH}
    assert HASH not in repr(config)


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}\n"])
def test_empty_file_asks_for_nothing(path: Path, text: str) -> None:
    path.write_text(text)
    assert parse(path).tls_server_config is None
    assert WebConfigFile(path).context is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tls_server_config:\n  cert_file: a\n", ":1: tls_server_config.key_file: is missing"),
        (
            "tls_server_config:\n  cert_file: a\n  key_file: b\n  min_versoin: TLS12\n",
            ":4: tls_server_config.min_versoin: there is no such key, or it is not supported "
            "here; did you mean min_version?",
        ),
        (
            "tls_server_config:\n  cert_file: a\n  key_file: b\n"
            "  client_auth_type: RequireAnyClientCert\n",
            ":4: tls_server_config.client_auth_type: ",
        ),
        (
            "tls_server_config:\n  cert_file: a\n  key_file: b\n"
            "  client_auth_type: RequireAndVerifyClientCert\n",
            ":1: tls_server_config: RequireAndVerifyClientCert needs client_ca_file",
        ),
        (
            "tls_server_config:\n  cert_file: a\n  key_file: b\n  client_ca_file: c\n",
            ":1: tls_server_config: client_ca_file needs client_auth_type",
        ),
        ("tls_server_config: 3\n", ":1: tls_server_config: must be a mapping"),
        ("just words\n", ":1: must be a mapping"),
        ("basic_auth_user: {}\n", ":1: basic_auth_user: there is no such key"),
        ("basic_auth_users:\n  bob: hunter2\n", ":2: basic_auth_users.bob: not a bcrypt hash"),
        ("basic_auth_users:\n  bob: $2y$99$" + "a" * 53, ":2: basic_auth_users.bob: not a bcrypt"),
        ("http_server_config:\n  headers:\n    Server: x\n", ":3: http_server_config.headers."),
        (
            'http_server_config:\n  headers:\n    X-Frame-Options: "a\\r\\nb"\n',
            ":3: http_server_config.headers.X-Frame-Options: ",
        ),
        ("rate_limit:\n  burst: 3\n", ":1: rate_limit: there is no such key, or it is not"),
        ("a: 1\na: 2\n", ":2: a is given twice"),
        ("a: [\n", ":2: "),
    ],
)
def test_mistake_is_named_with_its_line(path: Path, text: str, said: str) -> None:
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        parse(path)
    assert f"{path}{said}" in caught.value.happened
    assert "hunter2" not in caught.value.happened


def test_missing_file_and_missing_certificate(path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*: No such file"):
        WebConfigFile(path)
    path.write_text("tls_server_config:\n  cert_file: a\n  key_file: b\n")
    with pytest.raises(InputError, match="cannot use a and b: No such file"):
        WebConfigFile(path)


def write_certificate(folder: Path) -> None:
    certificate = trustme.CA().issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))


def test_changed_files_are_read_again_and_invalid_ones_change_nothing(path: Path) -> None:
    write_certificate(path.parent)
    path.write_text("tls_server_config:\n  cert_file: server.pem\n  key_file: server.pem\n")
    file = WebConfigFile(path)
    first = file.context
    errors: list[InputError] = []
    file.refresh(errors.append)
    assert file.context is first
    (path.parent / "server.pem").unlink()
    file.refresh(errors.append)
    file.refresh(errors.append)
    assert file.context is first
    assert len(errors) == 1
    write_certificate(path.parent)
    file.refresh(errors.append)
    assert file.context is not first
    assert file.context is not None
    assert file.context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert len(errors) == 1


def basic(name: str, password: str) -> str:
    import base64

    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture(scope="module")
def users() -> dict[str, str]:
    long = b"x" * 72
    return {
        "alice": bcrypt.hashpw(b"open:sesame", bcrypt.gensalt(4)).decode(),
        "htpasswd": bcrypt.hashpw(b"pw", bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$"),
        "long": bcrypt.hashpw(long, bcrypt.gensalt(4)).decode(),
    }


@pytest.mark.parametrize(
    "header",
    [
        basic("alice", "open:sesame"),
        basic("htpasswd", "pw"),
        basic("long", "x" * 100),
        basic("alice", "open:sesame").replace("Basic", "bAsIc"),
    ],
)
def test_right_password_is_admitted_again_and_again(header: str, users: dict[str, str]) -> None:
    passwords = Passwords()
    assert passwords.admit(header, users)
    assert passwords.admit(header, users)
    changed = {**users, **dict.fromkeys(("alice", "htpasswd", "long"), HASH)}
    assert not passwords.admit(header, changed)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Basic YWxpY2U=",
        "Basic /////w==",
        "Bearer abc",
        basic("alice", "wrong"),
        basic("alice", ""),
        basic("alice", "open\0sesame"),
        basic("nobody", "open:sesame"),
        basic("nobody", ""),
    ],
)
def test_anything_else_is_refused(header: str | None, users: dict[str, str]) -> None:
    assert not Passwords().admit(header, users)
    assert Passwords().admit(header, {})


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9469", "127.0.0.1", 9469),
        (":0", "", 0),
        ("[::1]:80", "::1", 80),
        ("localhost:65535", "localhost", 65535),
    ],
)
def test_address_is_read_and_written_alike(text: str, host: str, port: int) -> None:
    assert Listen.parse(text) == Listen(host, port)
    assert str(Listen.parse(text)) == text


@pytest.mark.parametrize("text", ["", "9469", "::1:80", "host:", "host:x", "host:65536", "[::1]"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        Listen.parse(text)
