# SPDX-License-Identifier: MIT
"""The acts of a run, one after the other, each in an environment of its own or in that of the act before."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from stress._fastconnect import now_ns
from stress.lab import namespace
from stress.lab.kernel_word.word import KernelWord
from stress.model.errors import ChannelClosedError
from stress.model.plan import Plan
from stress.model.progress import ProgressCallback, StormCallback, ignore_storm
from stress.storm.act_result import ActResult
from stress.storm.check import plan_rules
from stress.storm.client import Client
from stress.storm.environment import Environment
from stress.storm.external_server import ExternalEnvironment
from stress.storm.host_load import describe_load
from stress.storm.peer.joined_peer import LOST, JoinedPeer
from stress.storm.peer.peer_environment import PeerEnvironment
from stress.storm.profiler import Profiler

MINES_IN_HOST_TABLE = 50_000
EHASH_PER_MINE = 2


@dataclass(frozen=True)
class ActsResult:
    """The results of the acts of a run.

    Attributes:
        results: one at least.
        interrupted: whether SIGINT, or the loss of the serving host across a link, left out the rest.
        lost: why that was lost between two storms, if it was.
    """

    results: list[ActResult]
    interrupted: bool = False
    lost: str | None = None


def run_acts(plan: Plan, notify: ProgressCallback, acts: "Acts", to_the_end: ExitStack) -> ActsResult:
    """Run the acts of a plan; after an interrupt the results are those so far.

    Raises:
        KeyboardInterrupt: SIGINT came before the first storm.
        UsageError, LabError: as of ``run_plan.carry_out``.
    """
    plans = plan.storms()
    results: list[ActResult] = []
    lost: str | None = None
    try:
        for number, (name, act) in enumerate(plans.items(), start=1):
            progress = notify if len(plans) == 1 else ActProgress(notify, name, number, len(plans))
            result = acts.run(name, act, progress, to_the_end if number == len(plans) else None)
            results.append(result)
            if result.interrupted:
                return ActsResult(results, interrupted=True)
    except KeyboardInterrupt:
        lost = acts.peer.find_loss() if acts.peer is not None else None
        if not results and lost is not None:
            raise ChannelClosedError(lost) from None
        if not results:
            raise
        return ActsResult(results, interrupted=True, lost=lost)
    except LOST as error:
        if not results:
            raise
        return ActsResult(results, interrupted=True, lost=str(error))
    return ActsResult(results)


class Acts:
    """The acts of one run: the environment of the last, the epoch, and how many addresses are numbered.

    A context manager; leaving it ends the environment.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Path | None,
        word: KernelWord | None,
        peer: JoinedPeer | None = None,
        *,
        announce: StormCallback = ignore_storm,
        profiler: Profiler | None = None,
    ) -> None:
        self.plan = plan
        self.peer = peer
        self.folder = folder
        self.word = word
        self.announce = announce
        self.profiler = profiler
        self.stack = ExitStack()
        self.environment: Environment | None = None
        self.epoch_ns: int | None = None
        self.first_address = 0

    def run(self, name: str, act: Plan, notify: ProgressCallback, to_the_end: ExitStack | None) -> ActResult:
        """Run the next act; the arguments are as of ``Client``, and of its ``storm``."""
        begun_ns = now_ns()
        environment = self.environment
        if act.fresh or environment is None:
            environment = self.begin_environment(name, act, notify)
        else:
            environment.go_on(name)
        client = Client(
            environment,
            act,
            name,
            first_address=self.first_address,
            notify=notify,
            folder=self.folder,
            word=self.word,
            announce=self.announce,
            profiler=self.profiler,
        )
        self.first_address += act.addresses
        result = client.storm(begun_ns, self.epoch_ns, to_the_end)
        self.epoch_ns = result.epoch_ns
        return result

    def begin_environment(self, name: str, act: Plan, notify: ProgressCallback) -> Environment:
        """End the environment of the act before, if any, and make one for this act in a network of its own."""
        self.stack.close()
        entries = ehash_entries(act)
        if (self.environment is not None or entries) and not self.plan.host:
            namespace.enter_new_network(entries)
        self.environment = self.stack.enter_context(self.make_environment(name, act, notify))
        if act.is_external:
            notify(describe_load(act, self.environment.ports))
        self.environment.serve(plan_rules.attempt_count(act, self.environment.ports))
        return self.environment

    def make_environment(self, name: str, act: Plan, notify: ProgressCallback) -> Environment:
        """Return the environment that an act needs."""
        if act.is_external:
            return ExternalEnvironment(act)
        if self.peer is not None:
            return PeerEnvironment(name, act, self.peer, notify)
        return Environment(act, notify)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.close()


def ehash_entries(plan: Plan) -> int:
    """Return how many buckets of established sockets a plan needs for itself; 0 when the host's table is enough.

    Mines fill the table that all namespaces share, and every SYN and ACK then walks longer chains: with a million of
    them in 262,144 buckets a connection takes half as long again.
    """
    return EHASH_PER_MINE * plan.mines if plan.mines > MINES_IN_HOST_TABLE else 0


@dataclass(frozen=True)
class ActProgress:
    """A progress callback that says which act of how many a stage belongs to."""

    notify: ProgressCallback
    name: str
    number: int
    total: int

    def __call__(self, stage: str) -> None:
        """Report a stage."""
        self.notify(f"act {self.number} of {self.total}, {self.name}: {stage}")
