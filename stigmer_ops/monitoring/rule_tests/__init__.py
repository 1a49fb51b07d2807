"""Tests of rules: generated from examples, run by promtool, and checked for what it passes over."""
