# SPDX-License-Identifier: MIT
"""Profiles: what an attempt costs, by system call and by function of the kernel."""
