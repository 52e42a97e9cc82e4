# SPDX-License-Identifier: MIT
"""A storm across a link: the calls to the other host, what it does for them, and how the client sees it."""
