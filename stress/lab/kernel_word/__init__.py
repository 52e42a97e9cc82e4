# SPDX-License-Identifier: MIT
"""Other kernels: downloaded from Debian, cached, booted in QEMU."""
