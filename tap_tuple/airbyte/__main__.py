"""The command `source-tuple`: runs one command of the Airbyte protocol."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Runs the command that the process was given, and exits.

    The exit code is 0 for a command that came to its end, a failed `check` among them, and 1 for a failure;
    a signal ends the process by itself.
    """
    # Until the tap listens, Ctrl-C ends the process without a word: importing the SDK takes a moment.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tap_tuple.airbyte.commands import run  # noqa: PLC0415

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
