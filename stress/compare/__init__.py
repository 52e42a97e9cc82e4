# SPDX-License-Identifier: MIT
"""What the verbs compare, gate, bisect and calibrate put together from stored runs."""
