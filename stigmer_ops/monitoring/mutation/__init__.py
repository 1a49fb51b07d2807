"""Mutation testing of rules: whether the tests notice when a rule is wrong."""
