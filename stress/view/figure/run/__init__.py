# SPDX-License-Identifier: MIT
"""The figures of one run."""
