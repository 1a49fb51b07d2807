"""The linter of rule files, rule tests, dashboards and runbook pages, ours or anybody's.

    from stigmer_ops.monitoring.lint.project import project_of
    from stigmer_ops.monitoring.lint.run import Options, lint
    from stigmer_ops.monitoring.lint.sources.files import read_files

    project = project_of(read_files([Path("rules")]))
    report = lint(project, Options(today=date.today(), promtool=Promtool.find()))
    report.findings                 # rule, severity, path, line, column, message, hint, page

How it is made:

- sources/ reads files into trees that know every place, and says what each file is;
- promql/ says what follows from an expression: labels, types, bounds of its value, lifetimes;
- known.py is what is known of metrics: from our catalogue (builtin.py), or a file (external.py);
- rules/ holds the lint rules, each an entry with its check, its explanation, and an example of what
  it objects to and of the same put right, which the contract test runs;
- run.py runs them all, then leaves out what is acknowledged or in the baseline.

A new rule is a check function and an entry in RULES of a module in rules/; docs/lint.md, `alerts
explain`, SARIF's list and the contract test follow from it.
"""
