# SPDX-License-Identifier: MIT
"""Change points in the series of stored runs."""
