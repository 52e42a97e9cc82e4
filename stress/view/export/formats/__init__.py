# SPDX-License-Identifier: MIT
"""Formats of connstorm export: each module declares its own in FORMATS, and ``registry`` finds them here."""
