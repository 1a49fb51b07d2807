"""`config show` and `config check` as they are typed."""

from __future__ import annotations

from support.command_line import stigmer_ops


async def test_show_tells_where_each_part_of_the_connection_came_from() -> None:
    variables = {"TEMPORAL_API_KEY": "a-secret-key", "TEMPORAL_ADDRESS": "temporal:7233"}
    page = await stigmer_ops("config", "show", "-n", "orders", variables=variables)
    record = await stigmer_ops("config", "show", "-n", "orders", "-o", "json", variables=variables)
    assert (page.code, record.code) == (0, 0)
    first = {line.split()[0]: line.split(maxsplit=2)[1:] for line in page.out.splitlines()[:7]}
    assert first["address"] == ["temporal:7233", "$TEMPORAL_ADDRESS"]
    assert first["namespace"][1].strip() == "--namespace"
    assert first["tls"][1].strip() == "the API key ($TEMPORAL_API_KEY)"
    assert record.json["temporal_origins"]["address"] == "$TEMPORAL_ADDRESS"
    assert set(record.json["temporal_origins"]) == set(record.json["temporal"])
    assert "a-secret-key" not in page.out + record.out


async def test_show_tells_durations_with_units_and_json_in_seconds() -> None:
    page = await stigmer_ops("config", "show")
    record = await stigmer_ops("config", "show", "-o", "json")
    (line,) = [row for row in page.out.splitlines() if row.startswith("thresholds.stuck_after")]
    assert line.split() == ["thresholds.stuck_after", "4h", "default"]
    values = {row["setting"]: row["value"] for row in record.json["settings"]}
    assert values["thresholds.stuck_after"] == 14_400


async def test_check_warns_of_variables_that_nobody_reads() -> None:
    variables = {"TEMPORAL_TLS_CA": "/etc/ca.pem"}
    page = await stigmer_ops("config", "check", variables=variables)
    record = await stigmer_ops("config", "check", "-o", "json", variables=variables)
    assert (page.code, page.out) == (0, "valid (no settings file)\n")
    assert "warning: TEMPORAL_TLS_CA is read by nobody" in page.err
    assert len(record.json["warnings"]) == 1
