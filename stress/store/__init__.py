# SPDX-License-Identifier: MIT
"""Runs on disk."""
