"""What a file is, and where in it things are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.errors import InputError
from stigmer_ops.monitoring.lint.sources.files import FileKind, read_files, source_of
from stigmer_ops.monitoring.lint.sources.grafana_variables import filled_in, used_in
from stigmer_ops.monitoring.lint.sources.json_tree import json_document
from stigmer_ops.monitoring.lint.sources.rule_files import duration
from stigmer_ops.monitoring.lint.sources.series import samples_in
from stigmer_ops.monitoring.lint.sources.tree import Mapping, Node, Scalar, Sequence
from stigmer_ops.monitoring.lint.sources.yaml_tree import TreeError, yaml_documents


def value_of(node: Node) -> object:
    """A tree as plain values; numbers as text."""
    if isinstance(node, Sequence):
        return [value_of(item) for item in node.items]
    if isinstance(node, Mapping):
        return {key: value_of(value) for key, value in node.values.items()}
    assert isinstance(node, Scalar)
    return None if node.is_null else node.text


@pytest.mark.parametrize(
    ("path", "text", "kind"),
    [
        ("a.yaml", "groups: []", FileKind.RULES),
        ("a.yaml", "groups:", FileKind.RULES),
        ("a.txt", '{"groups": []}', FileKind.RULES),
        ("a.yaml", "kind: PrometheusRule\nspec: {}", FileKind.RULES),
        ("a.yaml", "kind: ConfigMap\n---\nkind: PrometheusRule\n", FileKind.RULES),
        ("a.yaml", "apiVersion: 1\ngroups: []", FileKind.OTHER),
        ("a.yaml", "rule_files: []\ntests: []", FileKind.TESTS),
        ("prometheus.yml", "rule_files: []\nscrape_configs: []", FileKind.OTHER),
        ("a.json", '{"title": "x", "panels": []}', FileKind.DASHBOARD),
        ("a.json", '{"dashboard": {"title": "x", "panels": []}}', FileKind.DASHBOARD),
        ("a.json", '{"title": "x", "rows": []}', FileKind.DASHBOARD),
        ("a.json", '{"apiVersion": "dashboard.grafana.app/v2", "spec": {}}', FileKind.DASHBOARD),
        ("a.json", '{"a": 1}', FileKind.OTHER),
        ("a.yaml", "- 1", FileKind.OTHER),
        ("a.yaml", "", FileKind.OTHER),
        ("a.md", "# x", FileKind.PAGE),
    ],
)
def test_kind_is_told_by_content(path: str, text: str, kind: FileKind) -> None:
    assert source_of(path, text).kind is kind


def test_broken_files_below_a_folder_matter_if_they_look_like_ours() -> None:
    assert source_of("a.yaml", "groups:\n- name: [", named=False).kind is FileKind.RULES
    assert source_of("a.yaml", "{{ .Values }}: [", named=False).kind is FileKind.OTHER
    assert source_of("a.json", "// comment\n{}", named=False).kind is FileKind.OTHER
    assert source_of("a.json", '{"panels": [}', named=False).kind is FileKind.RULES


def test_folders_are_read_without_what_is_hidden(tmp_path: Path) -> None:
    for name in ("a.yaml", "b/c.yml", "b/d.rules", ".git/e.yaml", "node_modules/f.json", "g.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("groups: []")
    found = [Path(source.path).relative_to(tmp_path) for source in read_files([tmp_path])]
    assert list(map(str, found)) == ["a.yaml", "b/c.yml", "b/d.rules"]
    assert [s.named for s in read_files([tmp_path, tmp_path / "g.txt"])][-1] is True


def test_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_files([tmp_path / "none"])


YAML = """\
# head
top: &anchor
  key: value   # comment
  "quoted": 'it''s'
list:
- a
- {b: 1, c: [x, y]}
- <<: *anchor
  key: other
block: |
  first
  second
empty:
é: ü
"""


def test_every_place_in_yaml_is_exact() -> None:
    [root] = yaml_documents(YAML)
    assert isinstance(root, Mapping)
    lines = YAML.split("\n")
    for key in root.keys.values():
        assert lines[key.line - 1][key.column - 1 :].startswith(key.text)
    top = root.mapping("top")
    assert (top.place_of("key").line, top.place_of("key").column) == (3, 3)
    merged = root.items("list")[2]
    assert isinstance(merged, Mapping)
    assert {k: v.text for k, v in merged.scalars().items()} == {"key": "other", "quoted": "it's"}
    assert root.text("block") == "first\nsecond\n"
    assert root.get("empty") is None
    assert root.place_of("é").line == 14


def test_repeated_keys_are_kept_in_mind() -> None:
    [root] = yaml_documents("a: 1\nb: 2\na: 3\n")
    assert isinstance(root, Mapping)
    assert [(key.text, key.line) for key in root.repeated] == [("a", 3)]
    assert root.text("a") == "3"


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("a: [", 2, 1), ("a: b: c", 1, 5), ("a:\n\t- b", 2, 1), ("*x", 1, 1), ("a: 'x", 1, 4)],
)
def test_yaml_that_is_none_says_where(text: str, line: int, column: int) -> None:
    with pytest.raises(TreeError) as raised:
        yaml_documents(text)
    assert raised.value.message
    assert raised.value.place.line <= line


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def as_text(value: object) -> object:
    if isinstance(value, dict):
        return {key: as_text(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_text(inner) for inner in value]
    return value if value is None or isinstance(value, str) else json.dumps(value)


@given(JSON, st.sampled_from([None, 1, 4]))
def test_json_is_read_as_the_standard_library_reads_it(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    assert value_of(json_document(text)) == as_text(value)


@given(JSON)
def test_every_place_in_json_is_exact(value: object) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False)
    lines = text.split("\n")
    waiting = [json_document(text)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            for key in node.keys.values():
                assert json.loads(text[key.start : key.end]) == key.text
                assert lines[key.line - 1][key.column - 1] == '"'
            waiting += node.values.values()
        elif isinstance(node, Sequence):
            waiting += node.items
        json.loads(text[node.start : node.end])


@pytest.mark.parametrize(
    "text", ["", "{", "[1,]", '{"a" 1}', "{a: 1}", '"\x01"', "1 2", "tru", "[" * 100_000, "01"]
)
def test_json_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(TreeError):
        json_document(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5m", 300),
        ("1h30m", 5400),
        ("1d", 86400),
        ("0", 0),
        ("0s", 0),
        ("100ms", 0.1),
        ("1y", 31536000),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    found = duration(text)
    assert found is not None
    assert found.total_seconds() == seconds


@pytest.mark.parametrize(
    "text",
    ["", "5", "5 m", "1m1h", "-5m", "1.5h", "m", "٣m", "5M", "9" * 5000 + "s", "99999999999999y"],
)
def test_what_is_no_duration(text: str) -> None:
    assert duration(text) is None


@pytest.mark.parametrize(
    ("values", "samples"),
    [
        ("1 2 3", 3),
        ("0+1x10", 11),
        ("1x3", 4),
        ("_x3 1", 4),
        ("_ 1 stale", 3),
        ("-2.5e3-1x2 NaN Inf", 5),
        ("{{schema:1}}", None),
        ("", 0),
    ],
)
def test_samples_of_a_test_series(values: str, samples: int | None) -> None:
    assert samples_in(values) == samples


@pytest.mark.parametrize(
    ("expr", "filled"),
    [
        ("rate(x[$__rate_interval])", "rate(x[11m7s])"),
        ("rate(x[${__rate_interval}])", "rate(x[11m7s])"),
        ("rate(x[[[interval]]])", "rate(x[3m7s])"),
        ("x offset $shift", "x offset 7m"),
        (
            'x{a=~"$job",b="${b:regex}"}',
            'x{a=~"grafana_variable_value",b="grafana_variable_value"}',
        ),
        ("topk($n, x)", "topk(1, x)"),
        ("histogram_quantile($q, x)", "histogram_quantile(1, x)"),
        ("sum by ($by) (x)", "sum by (grafana_variable) (x)"),
        ("x * $__range_s", "x * 18420"),
        ("max_over_time(x[$__range:$step])", "max_over_time(x[5h7m:7m])"),
        ('label_replace(x, "a", "$1", "b", "(.*)")', 'label_replace(x, "a", "$1", "b", "(.*)")'),
        ("${metric}_total", "grafana_variable_total"),
        ("up", "up"),
    ],
)
def test_variables_are_filled_in(expr: str, filled: str) -> None:
    assert filled_in(expr) == filled


def test_variables_are_named_once() -> None:
    assert used_in('a{b="$c",d="${c}",e="[[f]]"}[$__range] $1') == ["c", "f", "__range"]
