"""Every way to reach Temporal, against real listeners: TLS, client certificates, keys, codecs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from stigmer_ops.sandbox.sandbox import Sandbox
from support.codec import codec_server
from support.command_line import Finished, stigmer_ops
from support.gateway import gateway_to


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_path(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def server_certificate(authority: trustme.CA, name: str = "localhost") -> tuple[bytes, bytes]:
    certificate = authority.issue_cert(name)
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    return certificate.private_key_pem.bytes(), chain


@pytest.fixture
async def tls_address(sandbox: Sandbox, authority: trustme.CA) -> AsyncIterator[str]:
    async with gateway_to(sandbox.address, certificate=server_certificate(authority)) as gateway:
        yield gateway.address


async def summary(*options: str, **variables: str) -> Finished:
    """A read that needs a connection."""
    return await stigmer_ops(
        "pending", "summary", *options, "-o", "json", variables=variables, timeout_seconds=40
    )


async def test_tls_by_options(tls_address: str, ca_path: Path) -> None:
    done = await summary("--address", tls_address, "--tls", "--tls-ca-path", str(ca_path))
    assert done.code == 0, done.err
    assert done.json["kind"]


async def test_tls_by_temporals_own_variables(tls_address: str, ca_path: Path) -> None:
    done = await summary(
        TEMPORAL_ADDRESS=tls_address,
        TEMPORAL_TLS="true",
        TEMPORAL_TLS_SERVER_CA_CERT_PATH=str(ca_path),
    )
    assert done.code == 0, done.err


async def test_tls_by_a_profile_of_temporal_toml(
    tls_address: str, ca_path: Path, tmp_path: Path
) -> None:
    file = tmp_path / "temporal.toml"
    file.write_text(
        f'[profile.prod]\naddress = "{tls_address}"\n'
        f'[profile.prod.tls]\nserver_ca_cert_path = "{ca_path}"\n'
    )
    done = await summary(TEMPORAL_CONFIG_FILE=str(file), TEMPORAL_PROFILE="prod")
    assert done.code == 0, done.err
    missing = await summary("--profile", "absent", TEMPORAL_CONFIG_FILE=str(file))
    assert missing.code == 2
    assert "absent" in missing.err


async def test_untrusted_certificate_is_refused_and_named(tls_address: str) -> None:
    done = await summary("--address", tls_address, "--tls")
    assert done.code == 3
    assert "not trusted" in done.err or "unknown CA" in done.err


async def test_certificate_for_another_name_is_refused(
    sandbox: Sandbox, authority: trustme.CA, ca_path: Path
) -> None:
    certificate = server_certificate(authority, "temporal.example")
    async with gateway_to(sandbox.address, certificate=certificate) as gateway:
        options = ("--address", gateway.address, "--tls", "--tls-ca-path", str(ca_path))
        refused = await summary(*options)
        assert refused.code == 3
        named = await summary(*options, "--tls-server-name", "temporal.example")
        assert named.code == 0, named.err


async def test_plain_text_to_a_tls_port_and_tls_to_a_plain_one(
    sandbox: Sandbox, tls_address: str
) -> None:
    plain = await summary("--address", tls_address)
    assert plain.code == 3
    assert "without TLS" in plain.err
    tls = await summary("--address", sandbox.address, "--tls")
    assert tls.code == 3
    assert "with TLS" in tls.err


async def test_client_certificate(
    sandbox: Sandbox, authority: trustme.CA, ca_path: Path, tmp_path: Path
) -> None:
    client = authority.issue_cert("operator@example")
    key, chain = tmp_path / "client.key", tmp_path / "client.pem"
    client.private_key_pem.write_to_path(key)
    chain.write_bytes(b"".join(blob.bytes() for blob in client.cert_chain_pems))
    async with gateway_to(
        sandbox.address,
        certificate=server_certificate(authority),
        client_ca=authority.cert_pem.bytes(),
    ) as gateway:
        options = ("--address", gateway.address, "--tls", "--tls-ca-path", str(ca_path))
        without = await summary(*options)
        assert without.code == 3
        shown = await summary(*options, "--tls-cert-path", str(chain), "--tls-key-path", str(key))
        assert shown.code == 0, shown.err
        unreadable = await summary(*options, "--tls-cert-path", str(tmp_path / "none.pem"))
        assert unreadable.code == 2
        assert "none.pem" in unreadable.err


async def test_api_key_is_sent_by_variable_or_file_and_never_shown(
    sandbox: Sandbox, authority: trustme.CA, ca_path: Path, tmp_path: Path
) -> None:
    secret = "very-secret-key-of-the-test"
    file = tmp_path / "api-key"
    file.write_text(f"{secret}\n")
    async with gateway_to(
        sandbox.address, certificate=server_certificate(authority), api_key=secret
    ) as gateway:
        options = ("--address", gateway.address, "--tls", "--tls-ca-path", str(ca_path))
        without = await summary(*options)
        assert without.code == 3
        assert "refused the credentials" in without.err
        variable = await summary(*options, TEMPORAL_API_KEY=secret)
        assert variable.code == 0, variable.err
        from_file = await summary(*options, "--api-key-file", str(file))
        assert from_file.code == 0, from_file.err
        shown = await stigmer_ops(
            "config", "show", *options, variables={"TEMPORAL_API_KEY": secret}
        )
        assert shown.code == 0
        assert secret not in shown.out + shown.err + variable.err + from_file.err


async def test_nobody_listens() -> None:
    done = await summary("--address", "127.0.0.1:1")
    assert done.code == 3
    assert "connection refused" in done.err
    assert '"next": "check the address' in done.err
    assert done.out == ""


async def test_unknown_namespace(sandbox: Sandbox) -> None:
    done = await summary("--address", sandbox.address, "--namespace", "no-such-namespace")
    assert done.code == 3
    assert "no-such-namespace" in done.err


async def test_codec_server_that_is_down_or_refuses_says_so(sandbox: Sandbox) -> None:
    async with codec_server(authorization="Bearer codec-secret") as codec:
        refused = await _complete_nothing(sandbox, codec.endpoint)
        assert refused.code == 3
        assert "401" in refused.err
    gone = await _complete_nothing(sandbox, codec.endpoint)
    assert gone.code == 3
    assert "cannot reach the codec server" in gone.err
    wrong = await _complete_nothing(sandbox, "ftp://127.0.0.1")
    assert wrong.code == 2


async def _complete_nothing(sandbox: Sandbox, endpoint: str) -> Finished:
    """A dry run that has to encode a result."""
    handshake = await sandbox.start_handshake("still-running")
    await sandbox.settle(handshake)
    return await stigmer_ops(
        "activity",
        "complete",
        "-w",
        handshake.workflow_id,
        "-a",
        handshake.activity_ids[0],
        "--dry-run",
        "--codec-endpoint",
        endpoint,
        variables=sandbox.environment(),
    )
