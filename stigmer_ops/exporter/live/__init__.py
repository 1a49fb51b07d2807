"""What a live view shows, read as the exporter reads it."""
