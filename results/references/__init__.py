"""Which works a run used: their BibTeX is in ``works.bib``, what cites them in ``uses.yaml``."""
