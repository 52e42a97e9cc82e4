# SPDX-License-Identifier: MIT
"""How a trial reaches a host, and how its run folder comes back."""
