# SPDX-License-Identifier: MIT
"""Worlds whose truth is known by construction: what delays or refuses which attempt is decided before the storm.

``python tests/worlds/run.py [NAME…]`` shows what connstorm says of each. A world is a function of ``Site``: it makes
servers, old sockets, firewall rules, queues and routes with real tools, storms, and states the truth of every attempt.
"""
