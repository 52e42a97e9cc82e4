# SPDX-License-Identifier: MIT
"""The rules for plans: each fault is one sentence, before the first socket is opened."""
