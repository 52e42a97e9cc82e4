# SPDX-License-Identifier: MIT
"""The data that all other rooms share: attempts, plans, runs, summaries. Opens no socket."""
