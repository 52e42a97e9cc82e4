# SPDX-License-Identifier: MIT
"""Executors: how a trial reaches a host, and how its run folder is transferred back."""
