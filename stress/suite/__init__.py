# SPDX-License-Identifier: MIT
"""Runs put together: a cell, its process, the demo."""
