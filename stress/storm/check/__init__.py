# SPDX-License-Identifier: MIT
"""All that can be wrong with a plan, in sentences, before the first socket."""
