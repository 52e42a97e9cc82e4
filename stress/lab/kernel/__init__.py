# SPDX-License-Identifier: MIT
"""Other kernels: fetched from Debian, cached, booted under QEMU."""
