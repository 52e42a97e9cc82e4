# SPDX-License-Identifier: MIT
"""A small runner for action.yml: its steps as they stand, in order, with their conditions, outputs and expressions.

``run:`` steps are run by bash as GitHub's runner does (``--noprofile --norc -eo pipefail``); those with ``uses:`` are
done by a stand-in of the service: caches and artifacts are folders. An expression that it does not know is an error.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
TOKEN = re.compile(r"\s*(?:(?P<text>'[^']*')|(?P<op>&&|\|\||==|!=|!|\(|\))|(?P<name>[\w.-]+)(?P<call>\(\))?)")
OPERATORS = {"&&": " and ", "||": " or ", "==": "==", "!=": "!=", "!": " not ", "(": "(", ")": ")"}
STATUS = ("always()", "failure()", "success()", "cancelled()")
SYSCTL = """#!/bin/sh
case $1 in
  -n) cat "$SETTINGS/$2" ;;
  -qw) echo "${2#*=}" > "$SETTINGS/${2%%=*}"; echo "$2" >> "$SETTINGS/log" ;;
esac
"""
TINY = """
trials = 1
warmup = 0
settle_s = 0.1
[defaults]
port_range = [40000, 40063]
[[scenario]]
name = "clean"
attempts = 64
[[gate]]
expr = "cause.unknown == 0"
"""
RESTRICTED = "kernel.apparmor_restrict_unprivileged_userns"


@dataclass
class Cloud:
    """What outlives a job: caches by key in the order of their saving, and artifacts by run and name."""

    folder: Path
    caches: dict = field(default_factory=dict)
    artifacts: dict = field(default_factory=dict)
    runs: int = 0


@dataclass
class Step:
    outcome: str
    outputs: dict
    log: str = ""


@dataclass
class Use:
    """What a use of the action left."""

    steps: dict
    code: int
    log: str

    def outputs(self, step):
        return self.steps[step].outputs

    def annotations(self, level):
        return re.findall(rf"^::{level} .*", self.log, re.MULTILINE)


class Job:
    """A job on a runner of its own: an empty repository but for ``files``, and the settings of a new Ubuntu."""

    def __init__(self, cloud, files, *, event="push", branch="main", pull=None, api="http://127.0.0.1:9"):
        cloud.runs += 1
        self.cloud, self.number = cloud, cloud.runs
        home = cloud.folder / f"job{self.number}"
        self.workspace, self.temp, self.settings = home / "workspace", home / "temp", home / "settings"
        for folder in (self.workspace, self.temp / "connstorm" / "venv", self.settings, home / "bin"):
            folder.mkdir(parents=True)
        for name, text in files.items():
            (self.workspace / name).write_text(text)
        # The program is installed already: nothing is fetched here.
        (self.temp / "connstorm" / "venv" / "bin").symlink_to(Path(sys.executable).parent)
        (self.temp / "connstorm" / "installed").write_text(f"{ROOT}\n")
        (self.settings / RESTRICTED).write_text("1\n")
        for name, text in {"sysctl": SYSCTL, "sudo": '#!/bin/sh\nexec "$@"\n'}.items():
            (home / "bin" / name).write_text(text)
            (home / "bin" / name).chmod(0o755)
        (home / "event.json").write_text(json.dumps({"pull_request": pull} if pull else {}))
        self.summary = home / "summary.md"
        self.github = {
            "job": "smoke",
            "action_path": str(ROOT),
            "event_name": event,
            "ref_name": branch,
            "event.repository.default_branch": "main",
            "run_id": str(1000 + self.number),
            "run_attempt": "1",
            "token": "secret",
        }
        self.environment = os.environ | {
            "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "SETTINGS": str(self.settings),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_EVENT_PATH": str(home / "event.json"),
            "GITHUB_REPOSITORY": "owner/repository",
            "GITHUB_API_URL": api,
        }

    def restriction(self):
        """Return the setting of AppArmor now, and what was written to it."""
        log = self.settings / "log"
        return (self.settings / RESTRICTED).read_text().strip(), log.read_text().split() if log.exists() else []

    def use(self, until=None, **inputs):
        """Run the action once, or its steps up to one; return what it left."""
        action = yaml.safe_load((ROOT / "action.yml").read_text())
        assert set(inputs) <= set(action["inputs"])
        given = {name: self.fill(str(entry["default"]), {}, {}) for name, entry in action["inputs"].items()} | inputs
        steps, code, log = {}, 0, ""
        for entry in action["runs"]["steps"]:
            if not self.applies(entry.get("if", "success()"), given, steps, failed=bool(code)):
                continue
            do = self.run if "run" in entry else self.stand_in
            step, ended = do(entry, given, steps)
            log += step.log
            if ended and not entry.get("continue-on-error"):
                code = code or ended
            steps[entry.get("id", entry["name"])] = step
            if until is not None and until == entry.get("id"):
                break
        return Use(steps, code, log)

    def applies(self, condition, given, steps, *, failed):
        if not any(status in condition for status in STATUS):
            condition = f"success() && ({condition})"
        return self.value(condition, given, steps, failed=failed)

    def fill(self, text, given, steps):
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: str(self.value(match[1], given, steps)), str(text))

    def value(self, expression, given, steps, *, failed=False):
        """Return the value of an expression; what it names and nobody has set is ''."""
        parts, rest = [], expression.strip()
        while rest:
            match = TOKEN.match(rest)
            assert match, f"unknown expression: {expression}"
            rest = rest[match.end() :]
            if match["op"]:
                parts.append(OPERATORS[match["op"]])
            elif match["text"]:
                parts.append(match["text"])
            elif match["call"]:
                parts.append(str({"always": True, "success": not failed, "failure": failed}[match["name"]]))
            else:
                parts.append(repr(self.context(match["name"], given, steps)))
        return eval("".join(parts))  # noqa: S307  # made of the tokens above alone

    def context(self, name, given, steps):
        room, _, rest = name.partition(".")
        if room == "steps":
            step, kind, output = rest.split(".")
            assert kind == "outputs"
            return steps[step].outputs.get(output, "") if step in steps else ""
        known = {"inputs": given, "github": self.github, "runner": {"os": "Linux", "arch": "X64"}}[room]
        assert rest in known, f"nobody knows {name}"
        return known[rest]

    def run(self, entry, given, steps):
        written = self.temp / "output"
        written.write_text("")
        environment = {name: self.fill(text, given, steps) for name, text in entry.get("env", {}).items()}
        assert entry["shell"] == "bash"
        assert "${{" not in entry["run"], "a value in a script may be a command: it belongs into env"
        alone = ["unshare", "-Urn"] if " suite " in entry["run"] else []  # so that suites of other tests run meanwhile
        ended = subprocess.run(
            [*alone, "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", entry["run"]],
            cwd=self.workspace,
            env=self.environment | environment | {"GITHUB_OUTPUT": str(written)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        outputs = dict(line.split("=", 1) for line in written.read_text().splitlines())
        step = Step("failure" if ended.returncode else "success", outputs, f"# {entry['name']}\n{ended.stdout}")
        return step, ended.returncode

    def stand_in(self, entry, given, steps):
        action, _, commit = entry["uses"].partition("@")
        assert re.fullmatch(r"[0-9a-f]{40}", commit)
        inputs = {name: self.fill(text, given, steps) for name, text in entry["with"].items()}
        outputs, code = getattr(self, re.sub(r"\W", "_", action.removeprefix("actions/")))(**inputs)
        return Step("failure" if code else "success", outputs, f"# {entry['name']}\n"), code

    def cache_restore(self, path, key, restore_keys="", **others):
        keys = [*reversed(self.cloud.caches)]
        prefixes = [others.get("restore-keys", restore_keys)]
        chosen = next((old for old in keys if old == key), None)
        chosen = chosen or next((old for old in keys for prefix in prefixes if prefix and old.startswith(prefix)), None)
        if chosen is None:
            return {}, 0
        shutil.copytree(self.cloud.caches[chosen], self.workspace / path)
        return {"cache-matched-key": chosen}, 0

    def cache_save(self, path, key):
        assert key not in self.cloud.caches, "a cache is never written twice"
        target = self.cloud.folder / f"cache{len(self.cloud.caches)}"
        shutil.copytree(self.workspace / path, target)
        self.cloud.caches[key] = target
        return {}, 0

    def setup_python(self, **inputs):
        assert inputs["update-environment"] == "False", "the user's own Python stays as it is"
        return {"python-path": sys.executable, "python-version": inputs["python-version"]}, 0

    def cache(self, path, key):
        assert path.startswith("~/")
        assert "//" not in key, f"a part of the key is empty: {key}"
        return {}, 0

    def upload_artifact(self, name, path):
        if (self.number, name) in self.cloud.artifacts:
            return {}, 1  # the service refuses a name that the run has already
        if not (self.workspace / path).exists():
            return {}, 0
        self.cloud.artifacts[self.number, name] = self.workspace / path
        return {"artifact-url": f"https://github.com/owner/repository/actions/runs/1/artifacts/{name}"}, 0
