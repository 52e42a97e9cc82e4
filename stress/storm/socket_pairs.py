# SPDX-License-Identifier: MIT
"""Samples pairs of sockets: a client in SYN_SENT and the server's CLOSE_WAIT socket that it met."""

import threading
from types import TracebackType
from typing import Self

from stress._fastconnect import now_ns
from stress.lab import census
from stress.lab.signals import start_deaf
from stress.model.errors import LabError
from stress.model.plan import Plan
from stress.model.record import Pair
from stress.model.text import endpoint_text

INTERVAL_S = 0.001  # a collision lasts two jiffies at least
PAIRS_MAX = 3


class SocketPairSampler:
    """Samples the sockets in SYN_SENT, in a thread, as long as the context lasts.

    Attributes:
        pairs: the first ones, at most PAIRS_MAX.
    """

    def __init__(self, plan: Plan, epoch_ns: int) -> None:
        self.plan = plan
        self.epoch_ns = epoch_ns
        self.pairs: list[Pair] = []
        self.error: OSError | None = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.sample, name="socket pairs")

    def sample(self) -> None:
        """Collect pairs until the context ends; an error is raised there."""
        try:
            self.collect_pairs()
        except OSError as error:
            self.error = error

    def collect_pairs(self) -> None:
        """Collect the first pairs, at most one per port."""
        seen: set[int] = set()
        while len(self.pairs) < PAIRS_MAX and not self.over.wait(INTERVAL_S):
            for client in census.iterate_sockets(self.plan.family, ["SYN-SENT"], remote_port=self.plan.target_port):
                if client.local_port in seen or len(self.pairs) == PAIRS_MAX:
                    continue
                pair = self.match_client(client)
                if pair is not None:
                    seen.add(client.local_port)
                    self.pairs.append(pair)

    def match_client(self, client: census.Socket) -> Pair | None:
        """Return a client with the server's socket of the same 4-tuple, if there is one."""
        servers = census.iterate_sockets(
            self.plan.family, ["CLOSE-WAIT"], local_port=self.plan.target_port, remote_port=client.local_port
        )
        for server in servers:
            if (server.local_address, server.remote_address) == (client.remote_address, client.local_address):
                return Pair(
                    now_ns() - self.epoch_ns,
                    endpoint_text(client.local_address, client.local_port),
                    endpoint_text(server.local_address, server.local_port),
                    client.state,
                    server.state,
                    server.receive_queue,
                )
        return None

    def __enter__(self) -> Self:
        start_deaf(self.thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self.thread.join()
        if self.error is not None and value is None:
            raise LabError(f"The sockets could not be listed while the storm went on: {self.error}.")
