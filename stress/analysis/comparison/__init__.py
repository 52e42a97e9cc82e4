# SPDX-License-Identifier: MIT
"""What sets two arms of stored runs apart, metric by metric."""
