"""Pages: static HTML that asks no other host for anything."""
