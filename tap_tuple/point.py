"""A point in a window: how far a reading has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tap_tuple import instants

if TYPE_CHECKING:
    from datetime import datetime

    from tap_tuple.calls import Calls


class Point(NamedTuple):
    """How far a reading has come."""

    instant: datetime
    """The instant up to which calls were taken, cut to the millisecond."""
    ids: frozenset[int] = frozenset()
    """What was taken at that very instant."""
    taken: int = 0
    """How many calls were taken."""
    digest: int = 0
    """A digest of their ids, whatever their order."""

    @property
    def taken_before(self) -> int:
        """How many calls were taken before the instant."""
        return self.taken - len(self.ids)

    def after(self, calls: Calls) -> Point:
        """The point that is reached once some more calls are taken."""
        if not len(calls):
            return self
        instant = max(self.instant, instants.floor(max(calls.ended)))
        here = self.ids if instant == self.instant else frozenset()
        ids = set(calls.ids)
        digest = self.digest + sum(map(hash, zip(ids)))
        return Point(instant, here | calls.ids_since(instant), self.taken + len(ids), digest)

    def not_taken(self, calls: Calls, until: datetime) -> Calls:
        """Those of some calls that lie at or after the point and before `until`, and were not taken yet."""
        after = self.instant + instants.MILLISECOND
        if min(calls.ended, default=after) >= after and max(calls.ended, default=self.instant) < until:
            return calls
        return calls.where(
            lambda call_id, ended: self.instant <= ended < until and not (ended < after and call_id in self.ids)
        )
