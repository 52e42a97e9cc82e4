# SPDX-License-Identifier: MIT
"""A history of suites whose trials have profiles, made of a real one by changing the counts of its stacks."""

import hashlib
import json
import shutil
from datetime import timedelta

import numpy as np
from history_builders import BEGIN
from stored import a_suite, jittered
from test_profile import FROZEN

from stress.model.profile import folded_text, parse_folded

HASHING = ("storm", "clients' CPUs", "client", "connect()", "__sys_connect", "inet_hash_connect")
SAMPLES = 40  # of what the step came from, in each trial


def give_profile(trial, generator, *, extra=0, kernel=None, emulated=False):
    """Give a trial folder a profile; ``extra`` is how many samples more there are in a function, on average."""
    home = trial / "profile" / f"profiled-{trial.name}"
    shutil.copytree(FROZEN, home, ignore=shutil.ignore_patterns("*.npy"))
    stacks = {stack: int(generator.poisson(count)) for stack, count in parse_folded(text_of(home)).items()}
    stacks[HASHING] = int(generator.poisson(20 + extra))
    text = folded_text({stack: count for stack, count in stacks.items() if count})
    (home / "profile.folded").write_text(text)
    document = json.loads((home / "run.json").read_text())
    document["files"] = {"profile.folded": hashlib.sha256(text.encode()).hexdigest()}
    del document["digest"]
    (home / "run.json").write_text(json.dumps(document))
    record = json.loads((trial / "trial.json").read_text())
    (trial / "trial.json").write_text(json.dumps(record | {"profile": home.name}))
    run = next(trial.glob("run/run.json"))
    own = json.loads(run.read_text())
    own["host"] |= {"emulated": emulated, **({"kernel": kernel} if kernel else {})}
    run.write_text(json.dumps(own))


def text_of(home):
    return (home / "profile.folded").read_text()


def profiled_history(folder, sessions=(4, 4), *, extra=SAMPLES, trials=2, **after):
    """Write suites with profiles into a folder: so many before a step of p50, and so many after it; return them.

    Each suite is a session of its own, a day after the one before. ``after`` are facts of the suites after the step.
    """
    generator = np.random.default_rng(1)
    paths = []
    for number in range(sum(sessions)):
        is_after = number >= sessions[0]
        started = (BEGIN + number * timedelta(days=1)).isoformat()
        documents = jittered(trials, p50=14_000 if is_after else 11_000, started=started)
        path = a_suite(folder / f"2026-suite-{number:06x}", {"closewait": documents}, suite_id=f"{number:06x}")
        for trial in sorted(path.glob("trials/*")):
            give_profile(trial, generator, extra=extra * is_after, **(after if is_after else {}))
        paths.append(path)
    return paths
