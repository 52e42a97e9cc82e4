# SPDX-License-Identifier: MIT
"""The order of tests: files that take longest come first, so that not one of two processes is left alone with them."""

LONGEST = (
    "test_virtme",
    "test_scenarios",
    "test_worlds",
    "test_suite",
    "test_export",
    "test_fleet",
    "test_cli",
    "test_ssh",
)


def place(item):
    name = item.module.__name__
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def pytest_collection_modifyitems(items):
    items.sort(key=place)
