"""How a request says whose it is."""

from __future__ import annotations

from singer_sdk.authenticators import BearerTokenAuthenticator


class TupleAuthenticator(BearerTokenAuthenticator):
    """Sends a team's API token as `Authorization: Bearer sk-tuple-…`.

    Tokens do not expire; they are rotated or revoked by hand, and a team can hold several.
    Source: https://docs.tuple.app/team-management/usage-api-alpha
    """

    def __init__(self, token: str) -> None:
        super().__init__(token=token)
