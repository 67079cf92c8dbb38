"""Errors of the leaderboard; each message names the run and what is wrong with it."""


class LeaderboardError(Exception):
    """A report cannot be built from a run."""
