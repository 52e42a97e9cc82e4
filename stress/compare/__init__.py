# SPDX-License-Identifier: MIT
"""What the verbs compare, gate, bisect and calibrate do with stored runs."""
