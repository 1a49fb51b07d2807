"""How the report of an incident looks: as a page, as Markdown, and as a record."""
