"""The tables of a run, and their Markdown, LaTeX and CSV."""
