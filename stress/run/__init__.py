# SPDX-License-Identifier: MIT
"""One plan in a process of its own, on this host."""
