"""Procedures: ordered steps as data, and the one runner that carries any of them out."""
