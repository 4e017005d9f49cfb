"""The command `tap-tuple`: runs the tap, and says in one line what has gone wrong."""

from __future__ import annotations

import gc
import signal
import sys


def main() -> None:
    """Runs the tap with the arguments of the process, and exits.

    The exit code is 0 for a complete run, 1 for a failure, 2 for arguments that do not exist; a signal ends
    the process by itself.
    """
    # Until the tap listens, Ctrl-C ends the process without a word: importing the SDK takes a moment.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # What is imported stays: looking it through for garbage costs a quiet run a third of its time.
    gc.disable()
    from tap_tuple.cli import run  # noqa: PLC0415

    gc.freeze()
    gc.enable()

    sys.exit(run())


if __name__ == "__main__":
    main()
