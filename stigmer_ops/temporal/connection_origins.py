"""Where each part of a connection came from, and which variables look like a part and are none."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from temporalio.envconfig import ClientConfigProfile

if TYPE_CHECKING:
    from stigmer_ops.temporal.connection import ConnectionOptions

DEFAULT = "default"
TLS_BY_API_KEY = "the API key"
"""As in the SDK and the `temporal` CLI: a key is sent over TLS unless TLS is turned off."""

TLS_VARIABLES = (
    "TEMPORAL_TLS",
    "TEMPORAL_TLS_CLIENT_CERT_DATA",
    "TEMPORAL_TLS_CLIENT_CERT_PATH",
    "TEMPORAL_TLS_CLIENT_KEY_DATA",
    "TEMPORAL_TLS_CLIENT_KEY_PATH",
    "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION",
    "TEMPORAL_TLS_SERVER_CA_CERT_DATA",
    "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
    "TEMPORAL_TLS_SERVER_NAME",
)
"""Those that the SDK's envconfig reads."""

_FORMER = {
    "TEMPORAL_TLS_CA": "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
    "TEMPORAL_TLS_CERT": "TEMPORAL_TLS_CLIENT_CERT_PATH",
    "TEMPORAL_TLS_KEY": "TEMPORAL_TLS_CLIENT_KEY_PATH",
}
"""What the `temporal` CLI called them before it was configured by envconfig."""


def origins_of(
    options: ConnectionOptions, environment: Mapping[str, str], profile: ClientConfigProfile
) -> dict[str, str]:
    """Where each part came from: an option, a variable, `temporal.toml`, or the default.

    Args:
        options: Of the command line.
        environment: The variables.
        profile: What envconfig made of variables and file.
    """
    file = _file(options, environment)

    def origin(option: str, given: object, variable: str, configured: object) -> str:
        if given is not None:
            return option
        if environment.get(variable):
            return f"${variable}"
        return DEFAULT if configured is None else file

    key = origin("--api-key-file", options.api_key, "TEMPORAL_API_KEY", profile.api_key)
    return {
        "address": origin("--address", options.address, "TEMPORAL_ADDRESS", profile.address),
        "namespace": origin(
            "--namespace", options.namespace, "TEMPORAL_NAMESPACE", profile.namespace
        ),
        "tls": _tls(options, environment, profile, file, key),
        "api_key_set": key,
        "codec_endpoint": origin(
            "--codec-endpoint", options.codec_endpoint, "TEMPORAL_CODEC_ENDPOINT", None
        ),
        "codec_auth_set": origin("--codec-auth", options.codec_auth, "TEMPORAL_CODEC_AUTH", None),
    }


def _tls(
    options: ConnectionOptions,
    environment: Mapping[str, str],
    profile: ClientConfigProfile,
    file: str,
    key: str,
) -> str:
    given = {
        "--no-tls" if options.tls is False else "--tls": options.tls,
        "--tls-server-name": options.tls_server_name,
        "--tls-ca-path": options.tls_ca_path,
        "--tls-cert-path": options.tls_cert_path,
        "--tls-key-path": options.tls_key_path,
    }
    named = [name for name, value in given.items() if value is not None]
    if not named and profile.tls is not None:
        named = [f"${name}" for name in TLS_VARIABLES if environment.get(name)] or [file]
    if named:
        return ", ".join(named)
    return DEFAULT if key == DEFAULT else f"{TLS_BY_API_KEY} ({key})"


def _file(options: ConnectionOptions, environment: Mapping[str, str]) -> str:
    name = options.profile or environment.get("TEMPORAL_PROFILE") or "default"
    return f"{environment.get('TEMPORAL_CONFIG_FILE') or 'temporal.toml'}, profile {name}"


def passed_over(environment: Mapping[str, str]) -> Iterator[str]:
    """Variables that look as if they were of TLS and that nobody reads, a sentence each."""
    for name in sorted(environment):
        if not name.startswith("TEMPORAL_TLS_") or name in TLS_VARIABLES:
            continue
        near = (
            [_FORMER[name]] if name in _FORMER else difflib.get_close_matches(name, TLS_VARIABLES)
        )
        meant = f"; did you mean {near[0]}?" if near else ""
        yield f"{name} is read by nobody, neither here nor by Temporal's SDKs{meant}"
