# SPDX-License-Identifier: MIT
"""Which end of a connection made the active OPEN (RFC 9293 section 3.5), as the counters of bytes tell."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab import census, socket_info

# Fields of struct tcp_info (linux/tcp.h); the last two are there since Linux 4.19.
LAST_ACK_OFFSET = 56  # tcpi_last_ack_recv, ms since an acknowledgement arrived
BYTES_ACKED_OFFSET = 120  # tcpi_bytes_acked
NOTSENT_BYTES_OFFSET = 144  # tcpi_notsent_bytes
BYTES_SENT_OFFSET = 200  # tcpi_bytes_sent
BYTES_RETRANS_OFFSET = 208  # tcpi_bytes_retrans
# The kernel reads the length of the queue before, and the struct under the socket's lock (tcp_diag_get_info(), Linux
# 6.18), so that what is acknowledged in between is in both. The time since is counted in jiffies, of 10 ms at most.
STILL_MS = 30
# No FIN has been sent in these: it takes a sequence number as well.
STATES = [census.NUMBERS[state] for state in ("ESTABLISHED", "CLOSE-WAIT")]


def find_active_opens(sockets: npt.NDArray[Any], info: socket_info.SocketInfo) -> npt.NDArray[np.bool_]:
    """Return which sockets surely made their connection by connect(), shape (sockets,).

    A SYN takes a sequence number. The acknowledgement of an active OPEN's is counted in bytes_acked
    (tcp_snd_una_update() by tcp_rcv_synsent_state_process()), that of a passive OPEN's is not
    (tcp_create_openreq_child(), Linux 6.18), and bytes_sent has neither: what was acknowledged is one more than the
    bytes that were sent and are no longer on the way. False too of a socket of which that is not known: before Linux
    4.19, after TCP_REPAIR, while what it sends is acknowledged, or when it has sent its FIN.

    Args:
        sockets: of a dump, dtype census.MESSAGE.
        info: of these.
    """
    is_active = np.zeros(len(sockets), np.bool_)
    rows = np.intersect1d(
        info.rows_with(BYTES_RETRANS_OFFSET, "=u8"), np.flatnonzero(np.isin(sockets["state"], STATES))
    )
    sent_bytes = info.number(rows, BYTES_SENT_OFFSET, "=u8") - info.number(rows, BYTES_RETRANS_OFFSET, "=u8")
    queued_bytes = sockets["send_queue"][rows].astype(np.int64)  # not acknowledged, sent or not
    on_the_way_bytes = queued_bytes - info.number(rows, NOTSENT_BYTES_OFFSET, "=u4")
    acked_bytes = info.number(rows, BYTES_ACKED_OFFSET, "=u8")
    is_still = (queued_bytes == 0) | (info.number(rows, LAST_ACK_OFFSET, "=u4") >= STILL_MS)
    is_active[rows] = is_still & (acked_bytes == sent_bytes - on_the_way_bytes + 1)
    return is_active
