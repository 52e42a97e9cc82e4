# SPDX-License-Identifier: MIT
"""Pure functions on runs."""
