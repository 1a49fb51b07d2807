"""Carrying out a plan: exactly, resumably, and with a record of every step."""
