"""What is measured of trained models beside their scores."""
