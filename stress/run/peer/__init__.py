# SPDX-License-Identifier: MIT
"""How this host reaches the other host of a storm across a link."""
