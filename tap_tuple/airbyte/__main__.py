"""The command `source-tuple`, which runs a command of the Airbyte protocol."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command that is given on the command line, and exit.

    The exit code is 0 for success, even if `check` reports a failed connection, and 1 for a failure. A process
    that receives a signal is terminated by that signal.
    """
    # Importing the SDK takes a moment; until the source handles signals, Ctrl-C ends the process without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tap_tuple.airbyte.commands import run  # noqa: PLC0415

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
