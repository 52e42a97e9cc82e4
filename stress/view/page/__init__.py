# SPDX-License-Identifier: MIT
"""The page of `connstorm report`: one HTML file that is complete by itself and asks nobody for anything."""
