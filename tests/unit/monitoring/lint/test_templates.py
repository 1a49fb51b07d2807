"""Go templates: what does not parse, which labels are asked for, how the value is shown."""

from __future__ import annotations

import pytest

from stigmer_ops.monitoring.lint.templates import template


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("no template", []),
        ("{{ $labels.job }}/{{$labels.instance}}", ["job", "instance"]),
        ("{{ .Labels.job }}", ["job"]),
        ("{{ $.Labels.job }}", ["job"]),
        ('{{ index $labels "job" }}', ["job"]),
        ("{{ printf \"up{job='%s'}\" $labels.job | query | first | value | humanize }}", ["job"]),
        ('{{ range query "up" }}{{ .Labels.instance }} {{ $labels.job }}{{ end }}', ["job"]),
        ("{{ with $x := $labels.job }}{{ $x }}{{ else }}{{ end }}", ["job"]),
        ("{{- if gt $value 1.5 -}} {{ $labels.a_b | toUpper }} {{- end -}}", ["a_b"]),
        ("{{ $labels.job }} {{ $labels.job }}", ["job"]),
        ('{{ "{{" }} {{ `}}` }} {{/* $labels.no }} */}}', []),
    ],
)
def test_labels_asked_for(text: str, labels: list[str]) -> None:
    found = template(text)
    assert found.errors == []
    assert found.labels == labels


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{{ $labels.job", "is not closed"),
        ("{{ }}", "is empty"),
        ("{{ end }}", "nothing to end"),
        ("{{ if $value }}x", "has no {{ end }}"),
        ("{{ else }}", "outside of {{ if }}"),
        ("{{ $value | humanise }}", 'function "humanise" is not defined'),
        ("{{ $label.job }}", 'undefined variable "$label"'),
        ("{{ $labels.job & 1 }}", "unexpected '&'"),
    ],
)
def test_what_does_not_parse(text: str, error: str) -> None:
    assert any(error in found for found in template(text).errors)


@pytest.mark.parametrize(
    ("text", "shows", "formats"),
    [
        ("{{ $value }}", True, False),
        ("{{ $value | humanize }}", True, True),
        ('{{ printf "%.2f" $value }}', True, True),
        ("{{ .Value }}", True, True),
        ("{{ $labels.value }}", False, True),
        ("{{ humanizePercentage $value }} of {{ $value }}", True, False),
    ],
)
def test_whether_the_value_is_shown(text: str, shows: bool, formats: bool) -> None:
    assert template(text).shows_value is shows
    assert template(text).formats_value is formats
