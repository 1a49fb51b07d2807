"""Stigmer reached through TLS, with certificates of both sides, against a real listener."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from stigmer_ops.errors import InputError
from stigmer_ops.handshake.execution import ExecutionKind
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.settings import Stigmer
from stigmer_ops.stigmer.service import ExecutionStatus, NoAnswer, stigmer_service
from support.gateway import gateway_to


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> dict[str, Path]:
    """The settings' certificate files."""
    client = authority.issue_cert("operator@example")
    paths = {name: tmp_path / name for name in ("tls_ca_path", "tls_cert_path", "tls_key_path")}
    authority.cert_pem.write_to_path(paths["tls_ca_path"])
    client.private_key_pem.write_to_path(paths["tls_key_path"])
    paths["tls_cert_path"].write_bytes(b"".join(pem.bytes() for pem in client.cert_chain_pems))
    return paths


async def asked(
    sandbox: Sandbox, authority: trustme.CA, **settings: Path
) -> ExecutionStatus | NoAnswer | None:
    """What a Stigmer that demands a client's certificate says of one of its executions."""
    handshake = await sandbox.start_handshake("still-running")
    await sandbox.settle(handshake)
    server = authority.issue_cert("localhost")
    chain = b"".join(pem.bytes() for pem in server.cert_chain_pems)
    async with gateway_to(
        sandbox.stigmer_address,
        certificate=(server.private_key_pem.bytes(), chain),
        client_ca=authority.cert_pem.bytes(),
    ) as gateway:
        known = Stigmer(address=gateway.address, tls=True, **settings)  # type: ignore[arg-type] # paths
        async with stigmer_service(known) as service:
            assert service is not None
            [execution] = handshake.executions()
            return await service.execution(ExecutionKind.AGENT, execution.metadata.id)


async def test_both_certificates_open_the_way(
    sandbox: Sandbox, authority: trustme.CA, files: dict[str, Path]
) -> None:
    said = await asked(sandbox, authority, **files)
    assert isinstance(said, ExecutionStatus)


async def test_service_that_nobody_trusts_is_told_nothing(
    sandbox: Sandbox, authority: trustme.CA, files: dict[str, Path], tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    said = await asked(sandbox, authority, **{**files, "tls_ca_path": other})
    assert isinstance(said, NoAnswer)
    assert said.code == "UNAVAILABLE"


async def test_without_a_client_certificate_it_does_not_answer(
    sandbox: Sandbox, authority: trustme.CA, files: dict[str, Path]
) -> None:
    said = await asked(sandbox, authority, tls_ca_path=files["tls_ca_path"])
    assert isinstance(said, NoAnswer)


async def test_file_that_cannot_be_read_is_named(
    sandbox: Sandbox, authority: trustme.CA, files: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"none\.pem"):
        await asked(sandbox, authority, **{**files, "tls_key_path": tmp_path / "none.pem"})
