# SPDX-License-Identifier: MIT
"""One act on the serving side: its listener, and what this host tells of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from stress.lab.capture import Packets
from stress.lab.kernel_word.asked import AskedKernel
from stress.lab.network import Network
from stress.model.errors import UsageError
from stress.model.plan import Plan
from stress.model.record import ListeningReport
from stress.model.world import SERVER
from stress.storm.kernel_hearing import KernelHearing
from stress.storm.observed_host import LocalHost
from stress.storm.peer import calls
from stress.storm.peer.act_changes import ActChanges
from stress.storm.peer.agreement import Agreement
from stress.storm.peer.answers import HostNow, Look
from stress.storm.peer.calls import Call
from stress.storm.peer.serving_listener import ServingListener
from stress.storm.peer.watch import Watch

if TYPE_CHECKING:
    from stress.storm.observed_host import PacketSource
    from stress.storm.peer.array_bytes import Arrays

OF_A_WHOLE = ("missed", "hosts")  # fields of Packets that are no arrays
HIDDEN = "another program"
HERE_ATTEMPTS_MAX = 100_000_000


class WithArrays(NamedTuple):
    """What a call returns, where arrays belong to it."""

    value: Any
    arrays: "Arrays"


class ServingAct:
    """The act that a session is in; the next one may go on with what is there."""

    def __init__(self, plan: Plan, agreement: Agreement, watch: Watch) -> None:
        """Begin an act, in which nothing listens yet, and change this host for it.

        Raises:
            UsageError, NotApplicableError, LabError: as of ``ActChanges``; nothing is changed.
        """
        self.agreement = agreement
        self.watch = watch
        self.serving: ServingListener | None = None
        self.go_on(plan)
        self.changes = ActChanges(plan, SERVER, agreement.permission, agreement.terms.control)
        with ExitStack() as undone:
            undone.enter_context(self.changes)
            self.changes.begin()
            undone.pop_all()

    def go_on(self, plan: Plan) -> None:
        """Go on as the act of another plan, with the same listener."""
        self.plan = plan
        self.host = LocalHost(Network(plan.world, plan.family, SERVER), SERVER, plan)
        self.observing = ExitStack()  # the capture and the kernel's word, which end with the act at the latest
        self.observing.callback(self.host.close)
        self.capture: PacketSource | None = None
        self.hearing: KernelHearing | None = None
        self.has_look = False

    def handlers(self) -> dict[type[Call], Callable[[Any], Any]]:
        """Return what carries out each call that may come now."""
        host = self.host
        own: dict[type[Call], Callable[[Any], Any]] = {
            calls.Listen: lambda _: self.listen(),
            calls.ReadCounters: lambda _: host.read_counters(),
            calls.TakeCensus: lambda _: host.take_census(),
            calls.ListMines: lambda _: WithArrays(None, {"mines": host.list_mines()}),
            calls.BeginLook: lambda _: self.begin_look(),
            calls.EndLook: lambda _: self.end_look(),
            calls.LoadRules: lambda call: self.changes.load_rules(nat=call.nat),
            calls.CountRules: lambda _: self.changes.count(),
            calls.ReadHost: lambda _: self.read_now(),
            calls.BeginCapture: self.begin_capture,
            calls.EndCapture: lambda _: self.end_capture(),
            calls.BeginHearing: lambda _: self.begin_hearing(),
            calls.EndHearing: lambda _: self.end_hearing(),
        }
        return own | (self.serving.handlers() if self.serving is not None else {})

    def listen(self) -> None:
        """Make the listening sockets."""
        if self.serving is not None:
            raise UsageError("The listener of this act is there already.")
        self.serving = ServingListener(self.plan, self.agreement.sources, self.watch.interruption.deferred)
        self.watch.follow(self.serving)

    def begin_look(self) -> None:
        """Note what listens here."""
        self.host.begin_look()
        self.has_look = True

    def end_look(self) -> Look:
        """Return what listens here; who has not logged in does not learn what listens besides the storm's sockets."""
        if not self.has_look:
            raise UsageError("Nobody has looked at what listens here before.")
        look = self.host.end_look()
        if self.agreement.terms.is_login:
            return look
        return msgspec.structs.replace(look, listening=list(hide_others(look.listening)))

    def read_now(self) -> HostNow:
        """Return what this host is like now.

        Raises:
            LabError: what was changed for the act is so no longer.
        """
        self.changes.check()
        return msgspec.structs.replace(self.host.read_now(), changed=[*self.changes.changed])

    def begin_capture(self, call: calls.BeginCapture) -> None:
        """Begin to capture the act's packets."""
        if self.capture is not None or not self.plan.capture:
            raise UsageError("Nothing is to be captured now.")
        attempts = min(max(call.attempts, 1), HERE_ATTEMPTS_MAX)
        self.capture = self.observing.enter_context(self.host.begin_capture(attempts))

    def end_capture(self) -> WithArrays:
        """Return the packets; the capture itself ends with the act."""
        if self.capture is None:
            raise UsageError("Nothing is being captured.")
        packets = self.capture.packets()
        arrays = {field.name: getattr(packets, field.name) for field in fields(Packets) if field.name not in OF_A_WHOLE}
        return WithArrays(packets.missed, arrays)

    def begin_hearing(self) -> str | None:
        """Begin to listen to the kernel; return why it cannot be had."""
        if self.hearing is not None:
            raise UsageError("The kernel is being listened to already.")
        asked = self.observing.enter_context(AskedKernel(self.plan.evidence))
        if asked.word is None:
            return asked.refusal or "The plan does not ask for the kernel's word."
        self.hearing = KernelHearing(asked.word, self.plan, 0, self.host.network)
        return None

    def end_hearing(self) -> WithArrays:
        """Return what the kernel said, in CLOCK_MONOTONIC."""
        if self.hearing is None:
            raise UsageError("Nobody listens to the kernel.")
        hearing, self.hearing = self.hearing, None
        events, summary = hearing.end(0)
        return WithArrays(summary, {"events": events})

    def stop_observing(self) -> None:
        """End the capture and the kernel's word of the act."""
        self.observing.close()

    def close_listener(self) -> None:
        """End the listener, and every connection that was accepted."""
        serving, self.serving = self.serving, None
        if serving is None:
            return
        serving.refuse_connections()
        try:
            self.watch.follow(None)
        finally:
            serving.close()

    def close(self) -> None:
        """End the act; the listener first.

        Raises:
            LabError: something could not be undone, or was undone too early.
        """
        self.close_listener()
        self.stop_observing()
        self.changes.end()


def hide_others(reports: list[ListeningReport]) -> Iterator[ListeningReport]:
    """Yield the listening sockets of a storm, and without a name the drops of others, which its books need."""
    for report in reports:
        if report.on_target:
            yield report
        elif report.drops != 0:
            yield ListeningReport(
                address="", port=0, on_target=False, drops=report.drops, limit=0, waiting=0, capped=False, owner=HIDDEN
            )
