# SPDX-License-Identifier: MIT
"""What everything else speaks of: attempts, plans, runs, summaries. Opens no socket."""
