# SPDX-License-Identifier: MIT
"""What a CI service is told of a gate."""
