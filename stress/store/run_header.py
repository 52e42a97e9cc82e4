# SPDX-License-Identifier: MIT
"""The header of a stored run: what comparisons and histories need of its run.json."""

from pathlib import Path

import msgspec

from stress.model.busy import busy_reasons
from stress.model.errors import UsageError
from stress.model.host import Host
from stress.model.json_text import decode_json
from stress.model.plan import EvidenceSource, Plan
from stress.model.record import Phase
from stress.model.stall import Stall
from stress.model.suite import Settle
from stress.model.summary import Summary
from stress.model.units import SECOND_NS
from stress.store.run_folder import RUN_FILE
from stress.store.run_schema import SCHEMA, decode_run


class ActHeader(msgspec.Struct, frozen=True):
    """The part of an act that an Observation needs."""

    sysctls: dict[str, str]
    phases: list[Phase]
    stolen_ms: int
    evidence: EvidenceSource = EvidenceSource.COUNTS
    stalls: list[Stall] = []
    stalls_missed: int = 0


class RunHeader(msgspec.Struct, frozen=True):
    """The part of run.json that an Observation needs: decoding it takes a fifth of the time of decoding everything."""

    schema: int
    id: str
    program: str
    started_utc: str
    plan: Plan
    host: Host
    acts: list[ActHeader]
    summary: Summary
    boot_id: str | msgspec.UnsetType = msgspec.UNSET
    interrupted: bool = False
    profiled: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    commit: str | msgspec.UnsetType = msgspec.UNSET

    @property
    def took_s(self) -> float:
        """How long its phases took."""
        ends_ns = [end_ns for act in self.acts for phase in act.phases for end_ns in (phase.start_ns, phase.end_ns)]
        return (max(ends_ns) - min(ends_ns)) / SECOND_NS if ends_ns else 0.0

    def busy_reasons(self, settle: Settle | None) -> tuple[str, ...]:
        """Return why its machine was not quiet, with what is known from before it."""
        host = self.host
        workers = 2 if self.plan.has_two_clients else max(self.plan.workers, 1)  # a damaged file may say any number
        return busy_reasons(settle, self.acts, cpus=host.cpus, workers=workers, jiffy_ns=host.jiffy_ns)


def read_header(path: Path) -> RunHeader:
    """Read the header of a run.json of any schema."""
    file = path / RUN_FILE
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} is not a run folder: {RUN_FILE} cannot be read ({error.strerror}).") from error
    try:
        header = decode_json(data, RunHeader)
        if header.schema == SCHEMA:
            return header
    except msgspec.DecodeError:
        pass  # an older schema, or damaged: decode_run() upgrades or raises
    document, _ = decode_run(data, str(file))
    return msgspec.convert(msgspec.to_builtins(document), RunHeader)
