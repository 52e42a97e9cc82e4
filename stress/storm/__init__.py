# SPDX-License-Identifier: MIT
"""The act: a plan in, a run out."""
