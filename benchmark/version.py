"""The version of ForgeryBench, in a module of its own: the package itself loads a run's code."""

__version__ = "0.1.0"
