# SPDX-License-Identifier: MIT
"""Text for terminals, Markdown and JUnit: tables as values, and their renderers."""
