"""From a training job to a model in the store."""
