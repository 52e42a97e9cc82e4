# SPDX-License-Identifier: MIT
"""Conditions of a gate, and whether stored runs meet them."""
