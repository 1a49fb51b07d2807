"""How results look: tables, JSON, YAML, errors, progress."""
