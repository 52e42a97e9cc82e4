# SPDX-License-Identifier: MIT
"""What the state of a network namespace means: leaks, queues, ports, the chance to meet an old socket, findings."""
