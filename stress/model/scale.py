# SPDX-License-Identifier: MIT
"""How the rate of connections grows with the number of pairs of a client and a server."""


def scale_steps(most: int) -> list[int]:
    """Return 1, 2, 4 … pairs up to ``most``, which is the last step."""
    return sorted({1 << power for power in range(most.bit_length())} | {most})
