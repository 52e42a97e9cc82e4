# SPDX-License-Identifier: MIT
"""Session: the serving side of one client, from Hello to the end.

The main thread carries out one call after the other. A second thread reads, and answers pings at once, so that the
offset of the clocks is as good as the link permits; two more are those of the watch. Whatever ends the session, the
listener is closed first, and then the client is told.
"""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from stress._fastconnect import now_ns
from stress.lab import firewall, host, source_filter
from stress.lab.signals import start_deaf
from stress.model.errors import ChannelClosedError, ChannelFaultError, ConnstormError, LabError, Terminated, UsageError
from stress.model.peer import SILENCE_S
from stress.model.progress import ProgressCallback, ignore_progress
from stress.storm.host_settings import raise_descriptor_limit
from stress.storm.peer import calls, description
from stress.storm.peer.agreement import Agreement, Terms, agree
from stress.storm.peer.answers import Consent, Met
from stress.storm.peer.calls import Answer, Ask, Beat, Call, Ended, Hello, Message, Ping, Refused
from stress.storm.peer.channel import Channel
from stress.storm.peer.interruption import Interruption
from stress.storm.peer.meeting import WORD_MAX, Meeting
from stress.storm.peer.message import answer_of
from stress.storm.peer.serving_act import ServingAct, WithArrays
from stress.storm.peer.watch import Watch

WAITING_MAX = 16  # calls that came before those before them were answered
NOTHING = ""
WAKE_S = 0.2  # a signal that comes just before the main thread begins to wait is noticed when it wakes


class Session:
    """Serves one client; to be used in the main thread, once."""

    def __init__(self, channel: Channel, own: Hello, terms: Terms, notify: ProgressCallback = ignore_progress) -> None:
        """Begin with a channel on which nothing was said.

        Args:
            channel: to the client.
            own: what this end says first.
            terms: of this host.
            notify: called with what is agreed to, or refused.
        """
        self.notify = notify
        self.channel = channel
        self.own = own
        self.terms = terms
        self.agreement: Agreement | None = None
        self.act: ServingAct | None = None
        self.meeting: Meeting | None = None
        self.calls: queue.Queue[Call] = queue.Queue(WAITING_MAX)

    def run(self) -> str:
        """Serve until the end; return why it ended early, or nothing."""
        with Interruption() as self.interruption:
            try:
                self.greet()
                with Watch(self.channel, self.interruption) as self.watch:
                    start_deaf(threading.Thread(target=self.read, daemon=True))
                    while True:
                        self.answer_next()
            except Terminated:
                pass
            except ConnstormError as error:
                self.interruption.reason = self.interruption.reason or str(error)
            finally:
                self.interruption.hold()
                self.end()
        return self.interruption.reason or NOTHING

    def greet(self) -> None:
        """Exchange Hello.

        Raises:
            LabError: the other end does not speak this protocol.
        """
        received = self.channel.receive(SILENCE_S)
        if received is None:
            raise ChannelClosedError(f"nothing came from the client for {SILENCE_S:g} s")
        if not isinstance(received.message, Hello):
            raise ChannelFaultError(f"the client began with {type(received.message).__name__}")
        self.channel.send(self.own)
        if received.message.protocol != self.own.protocol:
            raise LabError(
                f"The client runs {received.message.program}, which speaks protocol {received.message.protocol}, but "
                f"the serving side runs {self.own.program}, which speaks protocol {self.own.protocol}; install the "
                "same version of connstorm on both."
            )

    def read(self) -> None:
        """Read what comes until the end: a thread's work."""
        try:
            while True:
                received = self.channel.receive()
                message = received.message if received else None
                if isinstance(message, Ended):
                    self.watch.end(f"the client ended the storm: {message.reason}" if message.reason else NOTHING)
                    return
                if isinstance(message, Ping):
                    self.channel.send(answer_of(now_ns()))
                elif isinstance(message, Call):
                    self.calls.put_nowait(message)
                elif not (isinstance(message, Beat) or self.take_notice(message)):
                    self.watch.end(f"the client said {type(message).__name__} once more")
                    return
        except (ChannelClosedError, ChannelFaultError) as error:
            self.watch.end(str(error))
        except queue.Full:
            self.watch.end(f"the client made {WAITING_MAX} calls without waiting for an answer")

    def answer_next(self) -> None:
        """Answer a call, if one comes soon."""
        with suppress(queue.Empty):
            self.answer(self.calls.get(timeout=WAKE_S))

    def take_notice(self, message: Message | None) -> bool:
        """Take a message that nothing answers; return whether it is one."""
        del message
        return False

    def answer(self, call: Call) -> None:
        """Carry out a call and answer it."""
        answer: Answer | Refused
        arrays: Any = None
        try:
            value = self.find_handler(call)(call)
            if isinstance(value, WithArrays):
                value, arrays = value
            answer = answer_of(value, arrays)
        except (ChannelClosedError, ChannelFaultError):
            raise
        except ConnstormError as error:
            if isinstance(call, Ask):
                self.notify(f"refused: {error}")
            answer = Refused(str(error), type(error).__name__)
        except OSError as error:
            answer = Refused(f"The serving host cannot carry out {type(call).__name__}: {error.strerror or error}.")
        self.channel.send(answer, arrays)

    def find_handler(self, call: Call) -> Callable[[Any], Any]:
        """Return what carries out a call.

        Raises:
            UsageError: it may not come now.
        """
        handlers: dict[type[Call], Callable[[Any], Any]] = {
            Ask: self.ask,
            calls.Describe: lambda _: description.describe(self.terms.limits),
        }
        if self.agreement is not None:
            handlers |= {
                calls.BeginMeeting: self.begin_meeting,
                calls.EndMeeting: self.end_meeting,
                calls.BeginAct: self.begin_act,
            }
        if self.act is not None:
            handlers |= self.act.handlers() | {calls.EndAct: lambda _: self.end_act()}
        handler = handlers.get(type(call))
        if handler is None:
            raise UsageError(f"{type(call).__name__} has to wait for an agreement, or for the beginning of an act.")
        return handler

    def ask(self, call: Ask) -> Consent:
        """Find out whether this host agrees; the first plan to which it does is the only one."""
        if self.agreement is not None:
            raise UsageError("This session has agreed to a plan already.")
        agreement = agree(call, self.terms)
        consent = Consent(
            limits=agreement.limits,
            host=host.read_host(),
            nofile=raise_descriptor_limit(),
            has_nft=firewall.has_nft(),
        )
        self.watch.agree(agreement.limits)
        self.agreement = agreement
        sources = ", ".join(map(source_filter.source_text, agreement.sources))
        self.notify(f"agreed to {call.plan.scenario} from {sources}")
        return consent

    def begin_meeting(self, call: calls.BeginMeeting) -> None:
        """Listen for the first connection of a client."""
        assert self.agreement
        if len(call.word) > WORD_MAX:
            raise UsageError(f"The word of a meeting has {WORD_MAX} characters at most.")
        if self.meeting is not None or self.act is not None:
            raise UsageError("A first connection comes before every act, and one at a time.")
        self.meeting = Meeting(next(iter(self.agreement.acts.values())), self.agreement.sources, call.word)

    def end_meeting(self, call: calls.EndMeeting) -> Met | None:
        """Return the first connection, if it comes."""
        if self.meeting is None:
            raise UsageError("Nothing listens for a first connection.")
        meeting, self.meeting = self.meeting, None
        return meeting.end(call.limit_s)

    def begin_act(self, call: calls.BeginAct) -> None:
        """Begin an act of the plan."""
        assert self.agreement
        plan = self.agreement.acts.get(call.name)
        if plan is None:
            raise UsageError(f"The plan has no act {call.name!r}.")
        if self.act is not None and not plan.fresh:
            self.act.stop_observing()
            self.act.go_on(plan)
            return
        self.end_act()
        with self.interruption.deferred():  # so that the process that changes this host is not forgotten
            self.act = ServingAct(plan, self.agreement, self.watch)

    def end_act(self) -> None:
        """End the act, if there is one."""
        with self.interruption.deferred():
            act, self.act = self.act, None
            if act is not None:
                act.close()

    def end(self) -> None:
        """Close the listener at once, tell the client why, then clean up."""
        if self.meeting is not None:
            self.meeting.close()
        if self.act is not None:
            self.act.close_listener()
        with suppress(ChannelClosedError):
            self.channel.send(Ended(self.interruption.reason or NOTHING))
        if self.act is not None:
            self.act.close()
