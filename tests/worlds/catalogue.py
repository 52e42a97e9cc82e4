# SPDX-License-Identifier: MIT
"""All worlds: importing their modules registers them."""

from worlds import collisions, losses, queues
from worlds.world import WORLDS

__all__ = ["WORLDS", "collisions", "losses", "queues"]
