"""From models and images to logits, in units that are written whole or not at all."""
