# SPDX-License-Identifier: MIT
"""The suite file: TOML to a Suite, every mistake with its line."""
