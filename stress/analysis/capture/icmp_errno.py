# SPDX-License-Identifier: MIT
"""Which errno connect() returns for an ICMP error about its SYN, on Linux."""

import errno
from typing import Any

import numpy as np
import numpy.typing as npt

# icmp_err_convert (net/ipv4/icmp.c), by the code of type 3; tcp_v4_err() hands these to a socket in SYN-SENT
# (Linux 6.18). Code 4, fragmentation needed, only changes the path's MTU.
UNREACHABLE_4 = {
    **dict.fromkeys((0, 6, 9, 11), errno.ENETUNREACH),
    **dict.fromkeys((1, 10, 12, 13, 14, 15), errno.EHOSTUNREACH),
    2: errno.ENOPROTOOPT,
    3: errno.ECONNREFUSED,
    5: errno.EOPNOTSUPP,
    7: errno.EHOSTDOWN,
    8: errno.ENONET,
}
# tab_unreach (net/ipv6/icmp.c), by the code of type 1.
UNREACHABLE_6 = {
    0: errno.ENETUNREACH,
    1: errno.EACCES,
    **dict.fromkeys((2, 3), errno.EHOSTUNREACH),
    4: errno.ECONNREFUSED,
    **dict.fromkeys((5, 6), errno.EACCES),
}
TYPES = {  # by family: destination unreachable, time exceeded, parameter problem
    4: (3, 11, 12),
    6: (1, 3, 4),
}


def errno_table() -> npt.NDArray[np.uint8]:
    """Return the errno of each error, shape (2, 256, 256): IPv4 or IPv6, type, code; 0 for none."""
    table = np.zeros((2, 256, 256), np.uint8)
    for version, (family, codes) in enumerate(((4, UNREACHABLE_4), (6, UNREACHABLE_6))):
        unreachable, exceeded, problem = TYPES[family]
        for code, number in codes.items():
            table[version, unreachable, code] = number
        table[version, exceeded] = errno.EHOSTUNREACH
        table[version, problem] = errno.EPROTO
    return table


TABLE = errno_table()


def icmp_errnos(rows: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return the errno that each ICMP error gives to a socket in SYN-SENT, shape (rows,); 0 where it goes on."""
    numbers: npt.NDArray[np.uint8] = TABLE[(rows["family"] == 6).astype(np.intp), rows["icmp_type"], rows["icmp_code"]]
    return numbers
