# SPDX-License-Identifier: MIT
"""Runs, suites and histories on disk."""
