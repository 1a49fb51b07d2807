"""How each alert that a fault of the sandbox can produce comes about, is explained, and ends.

A scenario injects its fault, waits until the alert has reached its receiver, has a command name the
cause, applies the fix, and waits until the receiver is told that it is over.
"""
