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
    is read once more, this time not by links but by `since`; if the same ones come, there are no more to be had,
    and a warning says so.

    Args:
        window: What to read.
        open_chain: Starts a chain of links at an instant.
        page_size: How many calls are asked for a page.
        logger: Told of what does not add up.

    Raises:
        TapTupleError: The API does not answer, or does not give what it announces.
    """
    before: Account | None = None
    for number in range(READINGS):
        reading = Reading(window, open_chain, page_size, logger, by_links=number == 0)
        links_lost = settled = False
        for taken in reading.pages():
            if reading.finished:
                links_lost = number == 0 and _are_links_lost(reading, open_chain)
                settled = not links_lost and _is_settled(reading, before, window, logger)
            yield taken._replace(position=reading.point.instant) if settled and reading.point.taken else taken
        if settled:
            return
        if links_lost:
            raise IncompleteError(
                f"The API's links end after {reading.account.taken} calls, and there are more behind them. The "
                "bookmark stays before the last page. Run again later; if it stays so, tell Tuple's support."
            )
        before = reading.account
        logger.info("%d calls were announced, but did not come; reading the window once more", before.missing)
    raise IncompleteError(
        f"{READINGS} readings of the window {window} did not bring what the API announces, and did not agree. Run "
        "again later; if it stays so, tell Tuple's support."
    )


def _are_links_lost(reading: Reading, open_chain: Callable[[datetime], Chain]) -> bool:
    """Whether there are more calls behind a last page that looks like any other one."""
    if not reading.looks_cut_off or (reading.announced is not None and not reading.behind):
        return False
    page, _ = open_chain(reading.point.instant).take()
    return bool(page.calls.ids_since(reading.point.instant) - reading.point.ids)


def _is_settled(reading: Reading, before: Account | None, window: Window, logger: logging.Logger) -> bool:
    """Whether all has come, or the last two readings gave the same, so that another one would again."""
    account = reading.account
    if reading.announced is None:
        logger.info("The API announces no total (X-Total-Count), so there is none to check the calls against")
    if not account.missing:
        return True
    if account != before or not account.steady:
        return False
    logger.warning(
        "The API announces %d calls from %s, but gives %d of them, twice the same",
        account.taken + account.missing,
        window,
        account.taken,
    )
    return True
