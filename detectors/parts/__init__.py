"""What detectors are built of: backbones, towers, streams, filters."""
