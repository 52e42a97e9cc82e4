# SPDX-License-Identifier: MIT
"""From segments to the causes of connection tries, as ``connstorm read`` goes."""

import numpy as np

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.summary import analyse
from stress.analysis.capture.tries import find_tries
from stress.run.capture_run import build_capture_run


def causes_of_tries(segments):
    """Return the time and the cause of each try by its client, the port, the server and its port, and what is said."""
    tries = find_tries(segments)
    if not len(tries.attempts):
        return {}, []
    findings = analyse(build_capture_run(tries, segments.files).run)
    times_ns = times_of_frames(segments.rows)
    by_tuple = {}
    for act in findings.acts:
        address, flows = act.storm.act.address, act.storm.flows
        _, first = np.unique(flows["attempt"], return_index=True)
        for flow in flows[first]:
            attempt = act.storm.attempts[flow["attempt"]]
            client, server, port = address.endpoints[int(attempt["address"]) - address.first]
            told = times_ns[int(flow["file"]), int(flow["first_frame"])], str(CAUSES[act.causes[flow["attempt"]]])
            by_tuple.setdefault((client, int(attempt["local_port"]), server, port), []).append(told)
    return by_tuple, [*(proof.text for proof in findings.summary.proofs), *findings.summary.hints]


def times_of_frames(rows):
    """Return the time of each packet by its file and its number in that."""
    keys = zip(rows["file"].tolist(), rows["frame"].tolist(), strict=True)
    return dict(zip(keys, rows["time_ns"].tolist(), strict=True))


def tries_told(segments):
    """Return the causes of all tries in the order of their times, and what is said."""
    by_tuple, said = causes_of_tries(segments)
    return [cause for _, cause in sorted(told for tries in by_tuple.values() for told in tries)], said
