# SPDX-License-Identifier: MIT
"""The relay's work: frames pass between run-cell and the other host, whose agreement is renewed every second.

One thread, which never waits for one end only: what an end does not take yet is queued, and as long as too much of it
is, the other end is not read.
"""

import os
import select
import time

import stress
from stress._fastconnect import now_ns
from stress.model.errors import ChannelFaultError, LabError
from stress.model.peer import BEAT_S, SILENCE_S
from stress.run.peer.far_end import FarEnd
from stress.run.peer.relay_end import RelayEnd, tag_of
from stress.run.peer.relay_spec import LOSS, Joined
from stress.run.protocol import PROTOCOL, require_protocol
from stress.storm.peer.calls import Answer, Beat, Ended, Hello, MeasureClock, Ping, Refused
from stress.storm.peer.channel import Stream
from stress.storm.peer.clock import EXCHANGES, Exchange, estimate_offset
from stress.storm.peer.frame import Frame
from stress.storm.peer.message import CLIENT_MESSAGE_MAX, SERVER_MESSAGE_MAX, SERVER_SPEECH, answer_of, decode_value

QUEUED_MAX = 1 << 20
GREETING_S = 30.0  # Python and numpy are loaded there first
END_S = 10.0  # for the other host to undo what it changed
TELL_S = SILENCE_S - BEAT_S  # meanwhile there is no beat for run-cell
SHOWN_BYTES = 80


class LostError(LabError):
    """The other end is lost, or has ended the storm."""


class RelayLoop:
    """Passes frames, sends and checks beats, and answers the question for the clocks' offset."""

    def __init__(self, far: FarEnd, cell: Stream, peer: str, cell_pid: int) -> None:
        """Take both streams.

        Args:
            far: the other host.
            cell: to run-cell.
            peer: the name of the other host, for messages.
            cell_pid: the process that gets LOSS when the other host is lost.
        """
        self.far_end = far
        self.far = RelayEnd(far.stream, SERVER_MESSAGE_MAX)
        self.cell = RelayEnd(cell, CLIENT_MESSAGE_MAX)
        self.peer = peer
        self.cell_pid = cell_pid
        self.joined = False
        self.begun_s = self.heard_s = time.monotonic()
        self.next_beat_s = self.begun_s
        self.ending_s: float | None = None
        self.has_interrupted = False
        self.exchanges: list[Exchange] | None = None  # while the clocks are compared
        self.asked_ns = 0

    def run(self) -> bool:
        """Pass frames until either end is gone; tell run-cell when the other host is.

        Returns whether the other host has ended as it was told to.

        Raises:
            EOFError: run-cell is gone.
        """
        self.far.send_message(Hello(PROTOCOL, f"connstorm {stress.__version__}"))
        try:
            while not self.is_over():
                self.step()
        except LostError as error:
            if self.ending_s is not None:
                return True
            self.report_loss(str(error))
        return False

    def is_over(self) -> bool:
        """Whether the other host has had its time to end."""
        return self.ending_s is not None and time.monotonic() > self.ending_s + END_S

    def step(self) -> None:
        """Wait for bytes or the next beat, and do what there is to do.

        Raises:
            LostError: the other host is lost.
            EOFError: run-cell is gone.
        """
        ready = self.wait()
        if self.far.stream.reading in ready:
            self.read_far()
        if self.cell.stream.reading in ready:
            for frame in self.cell.take_frames():
                self.take_from_cell(frame)
        for end in (self.far, self.cell):
            self.flush(end)
        self.check_silence()

    def wait(self) -> set[int]:
        """Wait until an end can be read, or one with a queue be written, at most to the next beat; return which."""
        poll = select.poll()
        events: dict[int, int] = {}
        for end, other in ((self.far, self.cell), (self.cell, self.far)):
            if len(other.unsent) < QUEUED_MAX:
                events[end.stream.reading] = events.get(end.stream.reading, 0) | select.POLLIN
            if end.unsent:
                events[end.stream.writing] = events.get(end.stream.writing, 0) | select.POLLOUT
        for descriptor, event in events.items():
            poll.register(descriptor, event)
        waiting_s = min(self.next_beat_s, self.heard_s + self.patience_s) - time.monotonic()
        return {descriptor for descriptor, event in poll.poll(max(0.0, waiting_s) * 1000) if event & ~select.POLLOUT}

    def read_far(self) -> None:
        """Take what the other host has sent."""
        try:
            for frame in self.far.take_frames():
                self.take_from_far(frame)
        except (EOFError, OSError) as error:
            raise self.lose_far() from error
        except ChannelFaultError as error:
            line = self.far.last.partition(b"\n")[0][:SHOWN_BYTES]
            raise LostError(
                f"{self.peer} sent {line!r}, which is not connstorm's protocol ({error}); what a login there "
                "prints, by .bashrc for example, must go to standard error."
            ) from error
        self.heard_s = time.monotonic()

    def take_from_far(self, frame: Frame) -> None:
        """Pass a frame of the other host on, unless it is for the relay."""
        tag = tag_of(frame)
        if not self.joined:
            self.greet(frame)
        elif tag == "Beat":
            return
        elif tag == "Ended":
            ended = SERVER_SPEECH.decode(frame.payload)
            assert isinstance(ended, Ended)
            raise LostError(ended.reason or f"{self.peer} has ended the storm.")
        elif self.exchanges is not None:
            self.take_reading(frame)
        else:
            self.cell.send(frame)

    def greet(self, frame: Frame) -> None:
        """Take the first message of the other host."""
        message = SERVER_SPEECH.decode(frame.payload)
        if not isinstance(message, Hello):
            raise ChannelFaultError(f"it began with {type(message).__name__}")
        try:
            require_protocol(message.protocol, f"{self.peer} runs {message.program}, which")
        except LabError as error:
            raise LostError(str(error)) from error
        self.joined = True
        self.cell.send_message(Joined(self.far_end.address, self.far_end.own_address, message.program))

    def take_from_cell(self, frame: Frame) -> None:
        """Pass a frame of run-cell on, unless it is for the relay."""
        tag = tag_of(frame)
        if tag == MeasureClock.__name__:
            self.exchanges = []
            self.ask_clock()
            return
        self.far.send(frame)
        if tag == "Ended":
            self.ending_s = time.monotonic()

    def ask_clock(self) -> None:
        """Ask the other host for its clock."""
        self.asked_ns = now_ns()
        self.far.send_message(Ping())

    def take_reading(self, frame: Frame) -> None:
        """Take the other host's clock; ask again, or answer run-cell."""
        assert self.exchanges is not None
        answer = SERVER_SPEECH.decode(frame.payload)
        if not isinstance(answer, Answer):
            self.exchanges = None
            self.cell.send(frame)
            return
        self.exchanges.append(Exchange(self.asked_ns, decode_value(Ping, answer), now_ns()))
        if len(self.exchanges) < EXCHANGES:
            self.ask_clock()
            return
        exchanges, self.exchanges = self.exchanges, None
        try:
            self.cell.send_message(answer_of(estimate_offset(exchanges)))
        except LabError as error:
            self.cell.send_message(Refused(str(error)))

    def flush(self, end: RelayEnd) -> None:
        """Send what is queued and, to both ends, the beat that is due."""
        try:
            if end is self.far and time.monotonic() >= self.next_beat_s:
                self.next_beat_s = time.monotonic() + BEAT_S
                if self.joined:
                    end.send_message(Beat())
                    if not self.cell.unsent:  # while run-cell storms it reads nothing
                        self.cell.send_message(Beat())
            was_full = len(end.unsent) >= QUEUED_MAX
            taken = end.flush()
            if end is self.cell and taken and was_full:  # the other end was not read, and so was not silent
                self.heard_s = time.monotonic()
        except OSError as error:
            if end is self.cell:
                raise EOFError from error
            raise self.lose_far() from error

    def lose_far(self) -> LostError:
        """End the storm at once; return why the other host's stream has ended, for which ssh may need some time."""
        self.interrupt_storm()
        how = self.far_end.tell_end(TELL_S)
        if self.joined:
            return LostError(f"{self.peer} was lost: {how}.")
        return LostError(f"{self.peer} does not serve: {how}; {self.far_end.remedy}.")

    def interrupt_storm(self) -> None:
        """Send run-cell LOSS, once, unless it has ended the storm itself."""
        if self.joined and self.ending_s is None and not self.has_interrupted:
            self.has_interrupted = True
            os.kill(self.cell_pid, LOSS)

    @property
    def patience_s(self) -> float:
        """For how long the other host may say nothing."""
        return SILENCE_S if self.joined else GREETING_S

    def check_silence(self) -> None:
        """Raise LostError if nothing came for too long."""
        if time.monotonic() < self.heard_s + self.patience_s:
            return
        if len(self.cell.unsent) >= QUEUED_MAX:  # and so it was not read either
            raise LostError(f"{self.peer} has sent more than it was asked for, so the storm was ended.")
        raise LostError(f"{self.peer} has said nothing for {self.patience_s:g} s, so the storm was ended.")

    def report_loss(self, reason: str) -> None:
        """Tell run-cell why the other host is lost, end its storm, and wait until it is done."""
        try:
            self.cell.send_message(Ended(reason))
            self.cell.flush()
            self.interrupt_storm()  # now: run-cell reads nothing while it storms, so the rest may not be taken yet
            os.set_blocking(self.cell.stream.writing, True)
            self.cell.flush()
            while True:
                select.select([self.cell.stream.reading], [], [])
                for _ in self.cell.take_frames():
                    pass
        except (EOFError, OSError):
            return
