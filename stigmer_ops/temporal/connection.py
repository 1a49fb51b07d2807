"""Reaching a Temporal frontend, by Temporal's own conventions.

The address, namespace, API key and TLS come from the `temporal` CLI's environment variables and
`temporal.toml`, read by the SDK's `temporalio.envconfig`; options given here win over both. The
codec server follows the CLI too (`TEMPORAL_CODEC_ENDPOINT`, `TEMPORAL_CODEC_AUTH`).
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path

import temporalio.client
import temporalio.converter
import temporalio.envconfig
import temporalio.runtime
import temporalio.service

from stigmer_ops.errors import (
    DeniedError,
    InputError,
    StigmerOpsError,
    UnavailableError,
    UsageError,
)
from stigmer_ops.temporal.codec_server import CodecServer
from stigmer_ops.temporal.connection_origins import DEFAULT, TLS_BY_API_KEY, origins_of
from stigmer_ops.temporal.frontend import Frontend, Pace

DEFAULT_ADDRESS = "127.0.0.1:7233"
DEFAULT_NAMESPACE = "default"
CONNECT_TIMEOUT = timedelta(seconds=10)

TORN_PAUSES = (0.1, 0.2, 0.4, 0.8)
"""Seconds to wait before a connection that was torn while it was made is made again."""

_NO_TLS = "it does not speak TLS"
_TORN = ("ConnectionReset", "BrokenPipe")

# Long enough to sit out the restart of a frontend, short enough for a person to wait.
READ_RETRY = temporalio.service.RetryConfig(
    initial_interval_millis=100,
    max_interval_millis=3000,
    max_elapsed_time_millis=30_000,
    max_retries=100,  # the SDK's default of 10 is used up after 8 seconds
)


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """What the command line says of the connection; None leaves it to environment and file."""

    address: str | None = None
    namespace: str | None = None
    profile: str | None = None
    api_key: str | None = field(default=None, repr=False)
    tls: bool | None = None
    tls_server_name: str | None = None
    tls_ca_path: Path | None = None
    tls_cert_path: Path | None = None
    tls_key_path: Path | None = None
    codec_endpoint: str | None = None
    codec_auth: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """The connection in force after options, environment and `temporal.toml` were laid together."""

    address: str
    namespace: str
    tls: temporalio.service.TLSConfig | bool
    api_key: str | None = field(repr=False)
    rpc_metadata: Mapping[str, str | bytes] = field(repr=False)
    codec_endpoint: str | None
    codec_auth: str | None = field(repr=False)
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each part came from, by what `config show` calls it."""


def resolve(options: ConnectionOptions, environment: Mapping[str, str]) -> Target:
    """Lay options over `TEMPORAL_*` variables over the profile of `temporal.toml`.

    Raises:
        UsageError: The profile does not exist, or its file is not valid.
        InputError: A certificate or key file cannot be read.
    """
    try:
        profile = temporalio.envconfig.ClientConfigProfile.load(
            options.profile, override_env_vars=dict(environment)
        )
        config = profile.to_client_connect_config()
    except OSError as error:
        raise InputError(
            f"cannot read {error.filename}: {error.strerror}",
            next_step="check TEMPORAL_TLS_* and temporal.toml",
        ) from error
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"the Temporal client configuration is not valid: {error}",
            next_step="check TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE and temporal.toml",
        ) from error
    return Target(
        address=options.address or config.get("target_host") or DEFAULT_ADDRESS,
        namespace=options.namespace or config.get("namespace") or DEFAULT_NAMESPACE,
        tls=_tls(options, config.get("tls")),
        api_key=options.api_key or config.get("api_key"),
        rpc_metadata=config.get("rpc_metadata") or {},
        codec_endpoint=options.codec_endpoint or environment.get("TEMPORAL_CODEC_ENDPOINT") or None,
        codec_auth=options.codec_auth or environment.get("TEMPORAL_CODEC_AUTH") or None,
        origins=origins_of(options, environment, profile),
    )


def _tls(
    options: ConnectionOptions, configured: temporalio.service.TLSConfig | bool | None
) -> temporalio.service.TLSConfig | bool:
    if options.tls is False or (configured is False and not options.tls):
        return False
    base = configured if isinstance(configured, temporalio.service.TLSConfig) else None
    given: dict[str, bytes | str] = {
        name: value
        for name, value in (
            ("domain", options.tls_server_name),
            ("server_root_ca_cert", _read(options.tls_ca_path)),
            ("client_cert", _read(options.tls_cert_path)),
            ("client_private_key", _read(options.tls_key_path)),
        )
        if value is not None
    }
    if given:
        return dataclasses.replace(base or temporalio.service.TLSConfig(), **given)  # type: ignore[arg-type] # values are of the fields' types, which a dict cannot say
    if base is not None:
        return base
    # An API key alone means TLS, as in the temporal CLI.
    return bool(options.tls or configured or options.api_key)


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}",
            not_done="no connection was made",
            next_step="check the --tls-* options",
        ) from error


async def connect(
    target: Target,
    *,
    pace: Pace,
    identity: str | None = None,
) -> Frontend:
    """Connect to `target` and return its frontend.

    The SDK retries calls, and not the one that it connects with: that is done here, where the
    connection broke. Where nobody listens, it is said at once.

    Raises:
        UnavailableError: Nobody listens there, or TLS does not come about.
        DeniedError: The server refused the credentials.
    """
    pauses = iter(TORN_PAUSES)
    while True:
        try:
            return Frontend(await _client(target, identity), pace)
        except (RuntimeError, ValueError) as error:
            pause = next(pauses, None) if any(sign in str(error) for sign in _TORN) else None
            if pause is None:
                raise connection_error(target, error) from error
        await asyncio.sleep(pause)


async def _client(target: Target, identity: str | None) -> temporalio.client.Client:
    converter = temporalio.converter.default()
    if target.codec_endpoint is not None:
        codec = CodecServer(target.codec_endpoint, target.namespace, target.codec_auth)
        converter = dataclasses.replace(converter, payload_codec=codec)
    return await temporalio.client.Client.connect(
        target.address,
        namespace=target.namespace,
        tls=target.tls,
        api_key=target.api_key,
        rpc_metadata=target.rpc_metadata,
        data_converter=converter,
        identity=identity,
        retry_config=READ_RETRY,
        connect_timeout=CONNECT_TIMEOUT,
        runtime=_runtime(),
        # The server spends a fifth of a scan's time on compressing answers of a kilobyte,
        # time that the namespace's own workers need.
        grpc_compression=temporalio.service.GrpcCompression.NONE,
    )


@cache
def _runtime() -> temporalio.runtime.Runtime:
    # By default the SDK's core writes its warnings to standard output, into our results.
    return temporalio.runtime.Runtime(
        telemetry=temporalio.runtime.TelemetryConfig(logging=None, metrics=None)
    )


def connection_error(target: Target, error: Exception) -> StigmerOpsError:
    """Why a connection did not come about, from the text that the SDK gives."""
    text = str(error)
    over = "with TLS" if target.tls else "without TLS"
    where = f"Temporal at {target.address} ({over})"
    if "Unauthenticated" in text or "PermissionDenied" in text:
        return DeniedError(
            f"{where} refused the credentials",
            next_step="check TEMPORAL_API_KEY or the client certificate: stigmer-ops config show",
        )
    reasons = {
        "Connection refused": "connection refused",
        "InvalidCertificate": "its certificate is not trusted (unknown CA or wrong name)",
        "UnknownIssuer": "its certificate is signed by an unknown CA",
        "CertificateRequired": "it requires a client certificate",
        "dns error": "the host name cannot be resolved",
        "InvalidMessage": _NO_TLS,
        "invalid HTTP version": "it does not speak HTTP/2",
        "ConnectionReset": "the connection was reset",
        "BrokenPipe": "the connection was reset",
        "timed out": "no answer in time",
        "deadline": "no answer in time",
    }
    reason = next((said for sign, said in reasons.items() if sign in text), text)
    why, next_step = _how_it_came(target, reason)
    return UnavailableError(
        f"cannot reach {where}: {reason}{why}",
        not_done="nothing was read or sent",
        next_step=next_step,
    )


def _how_it_came(target: Target, reason: str) -> tuple[str, str]:
    """What was not asked for and may be what is wrong, and what to do about it."""
    tls = target.origins.get("tls", "")
    if reason == _NO_TLS and tls.startswith(TLS_BY_API_KEY):
        off = "TEMPORAL_TLS=false, or --no-tls, turns TLS off; the key is sent in the clear then"
        return f"; TLS is on because of {tls}", off
    if target.origins.get("address") == DEFAULT:
        given = "set TEMPORAL_ADDRESS, or add --address HOST:PORT"
        return "; that is the default, no address was given", given
    return "", "check the address and TLS settings: stigmer-ops config show"
