# SPDX-License-Identifier: MIT
"""What a person sees of connect(), what may be behind it on a kernel and its settings, and what proves it."""
