# SPDX-License-Identifier: MIT
"""The hash that a JSON file has of itself: as its last field, over what is before that, without blanks between words.

So a copy that is written with other blanks, as in a history, still has it.
"""

import hashlib

import msgspec

from stress.model.text import json_bytes

FIELD = b',"digest":"'
END = b'"}'
DIGITS = 64  # of a SHA-256


def hashed_json(document: msgspec.Struct) -> bytes:
    """Return a document, whose field ``digest`` is unset, as indented JSON with its hash."""
    compact = msgspec.json.encode(document)
    digest = hashlib.sha256(compact).hexdigest()
    return json_bytes(msgspec.Raw(compact[:-1] + FIELD + digest.encode() + END))


def has_own_hash(data: bytes) -> bool:
    """Return whether JSON is what its last field says that it was.

    Args:
        data: an object of JSON, in which there is a ``digest``.
    """
    compact = msgspec.json.format(data, indent=-1)
    body, field, end = compact.rpartition(FIELD)
    digest = hashlib.sha256(body + b"}").hexdigest()
    return bool(field) and end == digest.encode() + END
