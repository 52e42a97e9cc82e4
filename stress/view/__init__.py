# SPDX-License-Identifier: MIT
"""Text and figures. The only room that imports matplotlib."""
