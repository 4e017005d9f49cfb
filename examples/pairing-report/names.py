"""The names in the report: derived from the e-mail addresses, or pseudonyms."""

from __future__ import annotations

import hmac
import re
import secrets
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Given name and surname, as in `mei.chen` or `jean-luc.picard`.
_FULL_NAME = re.compile(r"[^\W\d_]{2,}([._-][^\W\d_]{2,})+")

# Words without connotations that are not names of people.
_MATERIALS = """
    Alder Almond Azure Balsa Bamboo Basalt Beech Birch Bronze Cedar Chalk Clay Clover Cobalt Cocoa Copper Cork Cotton
    Denim Elm Fern Flax Flint Granite Hemp Indigo Larch Lava Lemon Lilac Lime Linen Maple Marble Mint Moss Mustard Oak
    Ochre Onyx Pine Plum Quartz Reed Slate Spruce Velvet Walnut
""".split()  # noqa: SIM905 - a list would take one line per word
_BIRDS = """
    Avocet Bittern Bunting Bustard Condor Cormorant Crane Curlew Dipper Dunlin Egret Eider Fulmar Gannet Godwit Grebe
    Harrier Heron Hoopoe Ibis Jackdaw Kestrel Kite Lapwing Lark Linnet Moorhen Nuthatch Oriole Osprey Pelican Petrel
    Pipit Plover Puffin Sandpiper Shrike Siskin Skua Snipe Starling Stork Swallow Tern Thrush Wagtail Waxwing Wren
""".split()  # noqa: SIM905 - a list would take one line per word


class Labels:
    """Names such as `Mei Chen` for `mei.chen@example.com`; the whole address if no unique name can be derived.

    Args:
        people: All e-mail addresses.
    """

    anonymous = False

    def __init__(self, people: Sequence[str]) -> None:
        short = {email: _short(email) for email in people}
        uses = Counter(short.values())
        self._labels = {email: label if uses[label] == 1 else email for email, label in short.items()}

    def __getitem__(self, email: str) -> str:
        return self._labels[email]


def _short(email: str) -> str:
    local = email.partition("@")[0].partition("+")[0]
    if _FULL_NAME.fullmatch(local):
        return re.sub(r"[._]", " ", local).title()
    return local or email


class Pseudonyms:
    """Pseudonyms of two words, which are the same in every report made with the same key.

    Without the key, a pseudonym cannot be traced to a person, not even by trying the addresses of all colleagues.

    Args:
        people: All e-mail addresses.
        key: A secret.
    """

    anonymous = True

    def __init__(self, people: Sequence[str], key: bytes) -> None:
        digests = {email: hmac.digest(key, email.encode(), "sha256") for email in people}
        self._labels: dict[str, str] = {}
        uses: Counter[str] = Counter()
        for email in sorted(people, key=digests.__getitem__):
            number = int.from_bytes(digests[email][:8], "big")
            material, bird = divmod(number % (len(_MATERIALS) * len(_BIRDS)), len(_BIRDS))
            words = f"{_MATERIALS[material]} {_BIRDS[bird]}"
            uses[words] += 1
            self._labels[email] = words if uses[words] == 1 else f"{words} {uses[words]}"

    def __getitem__(self, email: str) -> str:
        return self._labels[email]


def read_or_make_key(path: Path) -> bytes:
    """Return the secret in a file. Create the file, readable only by its owner, if it is missing."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
    return bytes.fromhex(path.read_text(encoding="ascii"))
