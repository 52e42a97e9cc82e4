# SPDX-License-Identifier: MIT
"""The rules by which causes are claimed; ``table`` has all of them in their order."""
