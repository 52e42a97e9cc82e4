# SPDX-License-Identifier: MIT
"""What this host says of itself."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import stress
from stress import _fastconnect, _listener
from stress.lab import host
from stress.model.suite import Fingerprint
from stress.run.protocol import PROTOCOL

ENGINE_DIGITS = 12


def take_fingerprint(on_the_host: list[str], in_a_namespace: list[str] | None) -> Fingerprint:
    """Return what this host is.

    Args:
        on_the_host: names of the settings outside of any namespace.
        in_a_namespace: those inside one; None when this host refuses namespaces.
    """
    settings = on_the_host if in_a_namespace is None else in_a_namespace
    return Fingerprint(
        program=f"connstorm {stress.__version__}",
        engine=hash_engine(),
        host=host.read_host(),
        settings=settings,
        host_settings=sorted(set(on_the_host) - set(settings)),
        protocol=PROTOCOL,
    )


def hash_engine() -> str:
    """Return a hash of the compiled engines: what was measured with another one is not the same measurement."""
    digest = hashlib.sha256()
    for module in (_fastconnect, _listener):
        assert module.__file__ is not None
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()[:ENGINE_DIGITS]


def fingerprint_differences(was: Fingerprint, now: Fingerprint) -> Iterator[tuple[str, object, object]]:
    """Yield what is no longer as it was of all that trials depend on, by name, with both values."""
    for what, before, after in (
        ("kernel", was.host.kernel, now.host.kernel),
        ("program", was.program, now.program),
        ("compiled engine", was.engine, now.engine),
        ("number of CPUs", was.host.cpus, now.host.cpus),
    ):
        if before != after:
            yield what, before, after
