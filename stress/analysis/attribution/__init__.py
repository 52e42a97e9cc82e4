# SPDX-License-Identifier: MIT
"""Why each attempt was slow or failed, with proof, held against the kernel's counters."""
