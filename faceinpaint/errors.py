"""The one exception that means "the user can fix this"."""


class InputError(ValueError):
    """Wrong arguments or unusable inputs.

    The message is one line that says what was wrong, where, and what to do. Parameters stand in it as `name`; commands
    print them as flags (:func:`faceinpaint.cli.in_flags`) and exit with code 2.
    """


class JobError(RuntimeError):
    """A job cannot run, through no fault of its arguments; the message is one line. Jobs exit with code 1."""


class NoPhotographError(InputError):
    """A file is not one that this package restores; the message says why."""
