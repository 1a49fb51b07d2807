"""JSON and YAML that others wrote, read to a value or to a `ValueError`, whatever is in them.

The parsers of the libraries raise a dozen kinds of errors at odd input, never end, or end the
process. Here each has a limit, and one way to say no.
"""
