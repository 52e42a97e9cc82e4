# SPDX-License-Identifier: MIT
"""Plans are carried out: scenarios, environment, minefield, workers; a plan in, a run out."""
