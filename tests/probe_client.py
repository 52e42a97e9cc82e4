# SPDX-License-Identifier: MIT
"""What tests/test_probe.py runs on the client's host: probes of the way to the serving host, each in one situation.

``probe_client.py COMMANDS SITUATIONS``: the commands, as JSON, that run nft on the ``client`` and the ``server`` and
that ``serve``; for each situation, by its name, the host and the rule that make it. Prints the probes as JSON.
"""

import json
import subprocess
import sys

import msgspec
from serving_client import PORT, ask, plan_across

from stress.model.plan import Serve
from stress.run.protocol import PROTOCOL
from stress.storm.peer import probe
from stress.storm.peer.caller import Caller
from stress.storm.peer.calls import Describe, Hello
from stress.storm.peer.channel import Channel, Descriptors
from stress.storm.peer.message import SERVER_SPEECH

TABLE = "table inet between {{\nchain rules {{\ntype {kind} hook {hook} priority 0\n{rule}\n}}\n}}\n"


def main(commands, situations):
    """Make the situations one after the other, and print what is seen in each."""
    probe.CONNECT_S = probe.ANSWER_S = 0.25
    serve = subprocess.Popen(commands["serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with Channel(Descriptors(serve.stdout.fileno(), serve.stdin.fileno()), SERVER_SPEECH) as channel:
        channel.send(Hello(PROTOCOL, "a test"))
        channel.receive(30)
        caller = Caller(channel)
        seen = {"": caller.call(Describe())}
        plan = plan_across(attempts=1, serve=Serve.NOBODY)
        caller.call(ask(plan))
        for name, (host, kind, hook, rule) in situations.items():
            nft = [*commands[host], "nft"]
            text = TABLE.format(kind=kind, hook=hook, rule=rule.format(port=PORT))
            subprocess.run([*nft, "-f", "-"], input=text, text=True, check=True)
            seen[name] = probe.run_probe(caller, plan)
            subprocess.run([*nft, "delete", "table", "inet", "between"], check=True)
    sys.stdout.buffer.write(msgspec.json.encode(seen))


main(*map(json.loads, sys.argv[1:]))
