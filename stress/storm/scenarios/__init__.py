# SPDX-License-Identifier: MIT
"""The scenarios of the catalogue, a module for each kind."""
