# SPDX-License-Identifier: MIT
"""The environment under test: namespace, sysctls, counters, census, listener. No statistics here."""
