# SPDX-License-Identifier: MIT
"""Why each connection try of a capture was slow or failed, as far as its packets show it."""
