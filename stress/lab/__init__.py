# SPDX-License-Identifier: MIT
"""The world under test: namespace, settings, counters, census, listener. Knows no statistics."""
