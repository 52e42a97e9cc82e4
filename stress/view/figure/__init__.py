# SPDX-License-Identifier: MIT
"""Figures. The only room that imports matplotlib."""
