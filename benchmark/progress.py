"""What the engine tells of its progress; the command line shows it, the library is silent."""


class Progress:
    """Receives events and shows nothing; subclass it to show them.

    A study is a few phases (check, train, score, report), each of several jobs; a job counts steps
    or images.
    """

    def phase(self, name: str, jobs: int) -> None:
        """A phase begins; ``jobs`` jobs are left to do in it."""

    def job(self, title: str, total: int, done: int = 0) -> None:
        """A job begins; it counts up to ``total``, of which ``done`` were done earlier."""

    def advance(self, amount: int = 1, **values: float) -> None:
        """The job moved by ``amount``; ``values`` are figures to show, a loss say."""

    def finish(self) -> None:
        """The job is done."""

    def note(self, text: str) -> None:
        """Something the user should read, in one line."""
