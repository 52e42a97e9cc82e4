# SPDX-License-Identifier: MIT
"""From the segments of capture files to connection tries: pure functions on arrays."""
