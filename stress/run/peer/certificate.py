# SPDX-License-Identifier: MIT
"""A certificate that is made for one serving side and thrown away with it. It is known by its fingerprint alone."""

import os
import ssl
from datetime import UTC, datetime, timedelta

from stress.model.errors import LabError
from stress.model.extra import require_package

MARGIN = timedelta(days=1)  # nobody looks at the dates, and clocks differ


def make_certificate() -> tuple[bytes, bytes]:
    """Return a new self-signed certificate (DER), and its private key and itself (PEM). ECDSA with P-256.

    Raises:
        LabError: the library that makes it is not installed.
    """
    require_package("cryptography", "fleet", "To serve without ssh", kind=LabError)
    from cryptography import x509  # noqa: PLC0415  an extra
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "connstorm")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - MARGIN)
        .not_valid_after(now + MARGIN)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (
        certificate.public_bytes(serialization.Encoding.DER),
        private + certificate.public_bytes(serialization.Encoding.PEM),
    )


def server_context(pem: bytes) -> ssl.SSLContext:
    """Return the TLS settings of a serving side: TLS 1.3 alone, no session that could be resumed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    # OpenSSL reads a key from a file; this one is in memory alone.
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        file.write(pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    return context


def client_context() -> ssl.SSLContext:
    """Return the TLS settings of a client, which knows the serving side by its certificate's fingerprint."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # JoinWord.is_certificate decides
    return context
