# SPDX-License-Identifier: MIT
"""Suites: the trials of many cells, on this host or on others, in one folder."""
