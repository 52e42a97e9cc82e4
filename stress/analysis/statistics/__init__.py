# SPDX-License-Identifier: MIT
"""Trials, two-sample tests, multiple testing, power and noise."""
