"""Maintenance windows: nothing that waits is lost, and whatever was changed for it is put back."""
