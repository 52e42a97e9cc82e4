# SPDX-License-Identifier: MIT
"""The fingerprint of this host: all of it that trials depend on."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

import stress
from stress import _fastconnect, _listener
from stress.lab import host
from stress.lab.checkout import program_commit
from stress.model.suite import Fingerprint
from stress.run.protocol import PROTOCOL
from stress.store.run_schema import SCHEMA

ENGINE_DIGITS = 12


def take_fingerprint(on_the_host: list[str], in_a_namespace: list[str], refused: str | None = None) -> Fingerprint:
    """Return the fingerprint of this host.

    Args:
        on_the_host: names of the settings outside of any namespace.
        in_a_namespace: names of those inside one.
        refused: why this host refuses namespaces; then the settings are those outside.
    """
    settings = on_the_host if refused else in_a_namespace
    return Fingerprint(
        program=f"connstorm {stress.__version__}",
        engine=hash_engine(),
        host=host.read_host(),
        settings=settings,
        host_settings=sorted(set(on_the_host) - set(settings)),
        protocol=PROTOCOL,
        refused=refused or msgspec.UNSET,
        run_schema=SCHEMA,
        commit=program_commit() or msgspec.UNSET,
    )


def hash_engine() -> str:
    """Return a hash of the compiled engines: measurements by different engines are not of one kind."""
    digest = hashlib.sha256()
    for module in (_fastconnect, _listener):
        assert module.__file__ is not None
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()[:ENGINE_DIGITS]


def fingerprint_differences(old: Fingerprint, new: Fingerprint) -> Iterator[tuple[str, object, object]]:
    """Yield the name, the old and the new value of everything that trials depend on and that differs."""
    for what, before, after in (
        ("kernel", old.host.kernel, new.host.kernel),
        ("program", old.program, new.program),
        ("compiled engine", old.engine, new.engine),
        ("number of CPUs", old.host.cpus, new.host.cpus),
    ):
        if before != after:
            yield what, before, after
