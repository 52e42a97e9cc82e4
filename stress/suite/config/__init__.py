# SPDX-License-Identifier: MIT
"""The suite file: TOML to a Suite; every diagnostic names the line."""
