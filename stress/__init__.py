# SPDX-License-Identifier: MIT
"""connstorm: TCP connect()/close() storms on Linux, attempt by attempt."""

__version__ = "0.2.0.dev0"
