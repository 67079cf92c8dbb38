"""Pages: one static HTML file that needs nothing beside itself."""
