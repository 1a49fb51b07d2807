"""Where each part of a connection came from, as `config show` and errors tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stigmer_ops.temporal.connection import ConnectionOptions, Target, connection_error, resolve
from stigmer_ops.temporal.connection_origins import passed_over

REFUSED = RuntimeError("Connection refused")
NO_TLS = RuntimeError("received corrupt message of type InvalidMessage")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "temporal.toml"
    path.write_text(
        '[profile.default]\naddress = "file:7233"\n[profile.prod]\nnamespace = "orders"\n'
        '[profile.prod.tls]\nserver_name = "temporal"\n'
    )
    return path


def target(file: Path, /, *, options: ConnectionOptions | None = None, **variables: str) -> Target:
    environment = {"TEMPORAL_CONFIG_FILE": str(file), **variables}
    return resolve(options or ConnectionOptions(), environment)


def test_option_wins_over_variable_over_file_over_default(file: Path) -> None:
    absent = file.with_name("absent.toml")
    named = ConnectionOptions(address="option:1")
    assert target(absent).origins["address"] == "default"
    assert target(file).origins["address"] == f"{file}, profile default"
    assert target(file, TEMPORAL_ADDRESS="b:1").origins["address"] == "$TEMPORAL_ADDRESS"
    both = target(file, options=named, TEMPORAL_ADDRESS="b:1")
    assert (both.address, both.origins["address"]) == ("option:1", "--address")


def test_profile_is_named(file: Path) -> None:
    origins = target(file, TEMPORAL_PROFILE="prod").origins
    assert origins["namespace"] == origins["tls"] == f"{file}, profile prod"
    assert origins["address"] == "default"


def test_tls_names_the_options_the_variables_or_the_key_that_turned_it_on(file: Path) -> None:
    off = target(file, options=ConnectionOptions(tls=False), TEMPORAL_API_KEY="k")
    assert (off.tls, off.origins["tls"]) == (False, "--no-tls")
    by_key = target(file, TEMPORAL_API_KEY="k")
    assert by_key.tls
    assert by_key.origins["tls"] == "the API key ($TEMPORAL_API_KEY)"
    named = target(file, TEMPORAL_TLS="true", TEMPORAL_TLS_SERVER_NAME="temporal")
    assert named.origins["tls"] == "$TEMPORAL_TLS, $TEMPORAL_TLS_SERVER_NAME"


@pytest.mark.parametrize("options", [ConnectionOptions(), ConnectionOptions(api_key="k")])
def test_tls_that_was_turned_off_stays_off_with_a_key(
    file: Path, options: ConnectionOptions
) -> None:
    found = target(file, options=options, TEMPORAL_API_KEY="k", TEMPORAL_TLS="false")
    assert (found.tls, found.origins["tls"]) == (False, "$TEMPORAL_TLS")


def test_error_tells_that_tls_came_with_the_key(file: Path) -> None:
    error = connection_error(target(file, TEMPORAL_API_KEY="k"), NO_TLS)
    assert "TLS is on because of the API key ($TEMPORAL_API_KEY)" in error.happened
    assert "TEMPORAL_TLS=false" in error.advice
    asked_for = connection_error(target(file, TEMPORAL_TLS="true"), NO_TLS)
    assert "API key" not in asked_for.happened


def test_error_tells_that_no_address_was_given(file: Path) -> None:
    error = connection_error(target(file.with_name("absent.toml")), REFUSED)
    assert "127.0.0.1:7233" in error.happened
    assert "no address was given" in error.happened
    assert "TEMPORAL_ADDRESS" in error.advice
    given = connection_error(target(file, TEMPORAL_ADDRESS="127.0.0.1:7233"), REFUSED)
    assert "no address was given" not in given.happened


def test_variables_that_nobody_reads_are_told_with_what_was_meant() -> None:
    environment = {
        "TEMPORAL_TLS_CA": "ca.pem",
        "TEMPORAL_TLS_SERVERNAME": "temporal",
        "TEMPORAL_TLS_SERVER_NAME": "temporal",
        "TEMPORAL_ADDRESS": "127.0.0.1:7233",
    }
    former, misspelt = passed_over(environment)
    assert former.startswith("TEMPORAL_TLS_CA is read by nobody")
    assert former.endswith("did you mean TEMPORAL_TLS_SERVER_CA_CERT_PATH?")
    assert misspelt.endswith("did you mean TEMPORAL_TLS_SERVER_NAME?")
