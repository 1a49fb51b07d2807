"""How a preview of a dashboard looks: as a page of HTML with SVG in it, and on a terminal."""
