"""Whatever comes from outside is read to an end: every reader as a target, seeds, and mutations.

`make fuzz` runs the targets under atheris, which is guided by coverage; the unit and integration
tests run each of them a few hundred times. What was found has become an example of those tests.
"""
