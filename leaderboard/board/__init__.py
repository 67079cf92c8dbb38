"""The board: entries as records, ranked within their state, and the site made of them."""
