# SPDX-License-Identifier: MIT
"""Our own scenarios, captured from before their minefields were laid: causes by packets against counters.

``python tests/captured/run.py [NAME…]`` shows what packets tell of each scenario, from each end and from both.
"""
