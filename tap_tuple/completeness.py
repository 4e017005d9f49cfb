"""Reads a window until the account is settled: as many calls as the API announced, or a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_tuple.exceptions import IncompleteError
from tap_tuple.reading import Account, Reading, Taken

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from tap_tuple.chain import Chain
    from tap_tuple.window import Window

READINGS = 10
"""So many readings that each give something else are enough."""


def read_completely(
    window: Window, open_chain: Callable[[datetime], Chain], page_size: int, logger: logging.Logger
) -> Iterator[Taken]:
    """Yields every call of a window, page by page; some of them again, where they had to be read again.

    The last page has a position only if every call that the API announced has come. If fewer came, the window
    is read once more; if the same ones come again, there are no more to be had, and a warning says so.

    Args:
        window: What to read.
        open_chain: Starts a chain of links at an instant.
        page_size: How many calls are asked for a page.
        logger: Told of what does not add up.

    Raises:
        TapTupleError: The API does not answer, or does not give what it announces.
    """
    before: Account | None = None
    for _ in range(READINGS):
        reading = Reading(window, open_chain, page_size, logger)
        settled = False
        for taken in reading.pages():
            if not reading.finished:
                yield taken
                continue
            account = reading.account
            if taken.announced is None:
                logger.info("The API announces no total (X-Total-Count), so there is none to check the calls against")
            settled = not account.cut_off and (not account.missing or _is_final(account, before))
            if settled and account.missing:
                _refuse_more(reading, open_chain)
                logger.warning(
                    "The API announces %d calls from %s, but gives %d of them, twice the same",
                    account.taken + account.missing,
                    window,
                    account.taken,
                )
            yield taken._replace(position=reading.position) if settled and account.taken else taken
        if settled:
            return
        if account.cut_off:
            raise _cut_off(account)
        logger.info(
            "%d of the calls that the API announced did not come; reading the window once more",
            account.missing,
        )
        before = account
    raise IncompleteError(
        f"{READINGS} readings of the window {window} each gave other calls than the one before, and fewer than "
        "announced. Run again later; if it stays so, tell Tuple's support."
    )


def _is_final(account: Account, before: Account | None) -> bool:
    """Whether another reading would give the same: the last two did, and nothing moved meanwhile."""
    return account.steady and account == before


def _refuse_more(reading: Reading, open_chain: Callable[[datetime], Chain]) -> None:
    """Looks behind the last call, where an API that has lost its links would have more."""
    page, _ = open_chain(reading.position).take()
    if page.calls.ids_since(reading.position) - reading.ids_there:
        raise _cut_off(reading.account)


def _cut_off(account: Account) -> IncompleteError:
    return IncompleteError(
        f"The API announces {account.taken + account.missing} calls, but its links end after {account.taken}. "
        "The bookmark stays before the last page. Run again later; if it stays so, tell Tuple's support."
    )
