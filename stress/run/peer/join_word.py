# SPDX-License-Identifier: MIT
"""Join word: what a serving side prints and a client is given, and what both sides prove with it.

It has the SHA-256 of the serving side's certificate, by which the client knows the serving side, and a secret of 128
bits, by which the serving side knows the client. The secret is sent by nobody: before TLS the client shows a *knock*,
HMAC-SHA256 over a number that it draws, without which the serving side does not send a byte; inside TLS, after it has
seen the right certificate, a *proof*.
"""

import base64
import binascii
import hashlib
import hmac
import secrets

import msgspec

from stress.model.errors import UsageError

PREFIX = "storm1-"  # with the number of this form
SECRET_BYTES = 16
NONCE_BYTES = 16
DIGEST_BYTES = hashlib.sha256().digest_size
KNOCK_BYTES = NONCE_BYTES + DIGEST_BYTES
KNOCK, PROOF = b"connstorm knock 1\0", b"connstorm proof 1\0"  # so that neither can be taken for the other


class JoinWord(msgspec.Struct, frozen=True):
    """A join word; it is not shown by ``repr``."""

    fingerprint: bytes  # of the certificate, DER
    secret: bytes

    def __repr__(self) -> str:
        return "JoinWord(…)"

    @property
    def text(self) -> str:
        """The word as it is printed: 71 letters, digits, ``-`` and ``_``."""
        return PREFIX + base64.urlsafe_b64encode(self.fingerprint + self.secret).decode()

    def knock(self, nonce: bytes) -> bytes:
        """Return the knock, shape (KNOCK_BYTES,), with a number that is used once, shape (NONCE_BYTES,)."""
        return nonce + hmac.digest(self.secret, KNOCK + nonce, hashlib.sha256)

    def proof(self, nonce: bytes) -> bytes:
        """Return the proof that follows a knock with ``nonce``, shape (DIGEST_BYTES,)."""
        return hmac.digest(self.secret, PROOF + nonce + self.fingerprint, hashlib.sha256)

    def is_knock(self, data: bytes) -> bool:
        """Tell whether these bytes are a knock with this word, in a time that does not depend on them."""
        return hmac.compare_digest(self.knock(data[:NONCE_BYTES]), data)

    def is_proof(self, data: bytes, nonce: bytes) -> bool:
        """Tell whether these bytes are the proof that follows a knock, in a time that does not depend on them."""
        return hmac.compare_digest(self.proof(nonce), data)

    def is_certificate(self, certificate: bytes | None) -> bool:
        """Tell whether a certificate (DER) is the serving side's."""
        return hmac.compare_digest(hashlib.sha256(certificate or b"").digest(), self.fingerprint)


def draw_nonce() -> bytes:
    """Return a number for a knock."""
    return secrets.token_bytes(NONCE_BYTES)


def draw_word(certificate: bytes) -> JoinWord:
    """Return a new word for a certificate (DER)."""
    return JoinWord(hashlib.sha256(certificate).digest(), secrets.token_bytes(SECRET_BYTES))


def parse_word(text: str) -> JoinWord:
    """Return the word that a user was given. No message shows it.

    Raises:
        UsageError: it is none.
    """
    text = text.strip()
    try:
        data = base64.b64decode(text.removeprefix(PREFIX), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not text.startswith(PREFIX) or len(data) != DIGEST_BYTES + SECRET_BYTES:
        raise UsageError(
            f"What was given as join word is none: a join word has {len(PREFIX) + 64} characters and begins with "
            f"{PREFIX}; copy the whole one that connstorm serve has printed."
        )
    return JoinWord(data[:DIGEST_BYTES], data[DIGEST_BYTES:])
