# SPDX-License-Identifier: MIT
"""Stored runs as files for other programs: one module per format."""
