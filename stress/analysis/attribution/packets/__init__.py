# SPDX-License-Identifier: MIT
"""Causes by packets alone: what a capture that somebody else took proves of each connection try."""
