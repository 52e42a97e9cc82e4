# SPDX-License-Identifier: MIT
"""Suite files: what they say is what is read, and every error is shown with its line."""

import copy
import json
import re
import tomllib
from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.lab import sysctl
from stress.model.errors import UsageError
from stress.model.plan import Close, Plan, Ports
from stress.model.suite import Design, Entry, Gate, Suite
from stress.storm.catalogue import SCENARIOS
from stress.suite import matrix
from stress.suite.config.keys import AXES, DEFAULTS, HEAD, SCENARIO, TABLES
from stress.suite.config.load import build_suite, decode_suite, read
from stress.suite.config.toml_lines import line_numbers, positions

TW_REUSE = "net.ipv4.tcp_tw_reuse"
LIMIT = "net.ipv4.tcp_challenge_ack_limit"
CLOSEWAIT = '[[scenario]]\nname = "closewait"\n'

WHOLE = f"""
name = "sysctls"
description = "what each of them costs"
design = "full"
trials = 7
warmup = 2
seed = 11
settle_s = 0.5
limit_s = 60

[defaults]
attempts = 2000
[defaults.sysctls]
"net.ipv4.tcp_syn_retries" = 1
"net.ipv4.tcp_timestamps" = 1

[[scenario]]
name = "closewait"
label = "dense"
measures = false
mines = 400
close = "fin"
[scenario.sysctls]
"net.ipv4.tcp_timestamps" = "0"
[scenario.matrix]
"{LIMIT}" = [2147483647, 100]
mines = [1, 2]

[[scenario]]
name = "translator"
port_range = [50000, 50099]

[matrix]
"{TW_REUSE}" = [0, 1, 2]
mines = [0, 50]

[baseline]
"{TW_REUSE}" = "2"

[[exclude]]
"{TW_REUSE}" = 1
mines = 50
[[exclude]]
scenario = "dense"
"{LIMIT}" = 100

[[gate]]
expr = "body.p99 <= 1.10x"
scenario = "dense"
[[gate]]
expr = "errors == 0"
"""


def refusal(text):
    """Return the lines of what is said of a wrong suite file."""
    with pytest.raises(UsageError) as caught:
        decode_suite(text, "s.toml", "s")
    return str(caught.value).split("\n")


def test_a_suite_is_what_its_file_says():
    closewait, translator = SCENARIOS["closewait"].plan, SCENARIOS["translator"].plan
    common = {"net.ipv4.tcp_syn_retries": "1", "net.ipv4.tcp_timestamps": "1"}
    assert decode_suite(WHOLE, "s.toml", "s") == Suite(
        name="sysctls",
        description="what each of them costs",
        design=Design.FULL,
        baseline={TW_REUSE: 2},
        exclude=[{TW_REUSE: 1, "mines": 50}, {"scenario": "dense", LIMIT: 100}],
        trials=7,
        warmup=2,
        seed=11,
        settle_s=0.5,
        limit_s=60,
        entries=[
            Entry(
                label="dense",
                plan=msgspec.structs.replace(
                    closewait,
                    attempts=2000,
                    mines=400,
                    close=Close.FIN,
                    sysctls=common | {"net.ipv4.tcp_timestamps": "0"},
                    seed=11,
                ),
                axes={TW_REUSE: [0, 1, 2], "mines": [1, 2], LIMIT: [2147483647, 100]},
                measures=False,
            ),
            Entry(
                label="translator",
                plan=msgspec.structs.replace(
                    translator, attempts=2000, port_range=(50000, 50099), sysctls={TW_REUSE: "2"} | common, seed=11
                ),
                axes={TW_REUSE: [0, 1, 2], "mines": [0, 50]},
            ),
        ],
        gates=[Gate(expr="body.p99 <= 1.10x", scenario="dense"), Gate(expr="errors == 0")],
    )


def test_settings_may_be_written_without_quotes():
    assert decode_suite(re.sub(r'"(net[a-z0-9_.]*)"', r"\1", WHOLE), "s.toml", "s") == decode_suite(
        WHOLE, "s.toml", "s"
    )


def test_a_program_may_say_the_same_without_a_file():
    assert build_suite(tomllib.loads(WHOLE)) == decode_suite(WHOLE, "s.toml", "s")
    assert build_suite({"scenario": [{"name": "clean"}]}, "nightly").name == "nightly"


def test_what_is_left_out_is_as_the_suite_and_the_scenario_have_it():
    plan = SCENARIOS["closewait"].plan
    assert decode_suite(CLOSEWAIT, "s.toml", "stem") == Suite(
        name="stem", entries=[Entry(label="closewait", plan=plan, axes={})]
    )


def test_ipv6_brings_its_addresses_unless_they_are_given():
    plan = decode_suite(CLOSEWAIT + "family = 6\n", "s.toml", "s").entries[0].plan
    assert (plan.family, plan.source, plan.target) == (6, "::1", "::1")
    assert refusal(CLOSEWAIT + 'family = 6\ntarget = "127.0.0.1"\n') == [
        "s.toml, line 4: --listen 127.0.0.1 is IPv4, but the storm is IPv6 (--family)."
    ]
    for own in ("", "family = 4\n", "family = 6\n"):
        (entry,) = decode_suite(f"{CLOSEWAIT}{own}matrix.family = [4, 6]\n", "s.toml", "s").entries
        assert [matrix.plan_at_point(entry.plan, {"family": family}, host=False).source for family in (4, 6)] == [
            "127.0.0.1",
            "::1",
        ]


def test_a_setting_of_other_kernels_may_be_named(monkeypatch, tmp_path):
    monkeypatch.setattr(sysctl, "ROOT", tmp_path)
    assert decode_suite(CLOSEWAIT + f"matrix.{TW_REUSE} = [0]", "s.toml", "s").entries[0].axes == {TW_REUSE: [0]}
    here = tmp_path / "net" / "ipv4" / "mine"
    here.parent.mkdir(parents=True)
    here.touch()
    assert decode_suite(CLOSEWAIT + 'sysctls.net.ipv4.mine = "a b"', "s.toml", "s").entries[0].plan.sysctls == {
        "net.ipv4.mine": "a b"
    }
    assert refusal(CLOSEWAIT + 'sysctls.net.ipv4.mime = "a b"') == [
        (
            "s.toml, line 3: There is no setting 'net.ipv4.mime' on this machine, nor is it known from other kernels. "
            "Did you mean net.ipv4.mine?"
        )
    ]


NAMES = ", ".join(SCENARIOS)
FIELDS = ", ".join(AXES)
TRIALS = "trials must be a whole number from 1 to 1,000, not"
VARIES = "The scenario article itself varies {} from act to act (ports by connect(), ports by bind()); leave it out, or"

# A text, and all that is said of it, each with its line: the text begins with line 1.
ERRORS = {
    "nothing": ("", ["There is no [[scenario]]; a suite has one or more."]),
    "no scenario": ("scenario = []", [(1, "There is no [[scenario]]; a suite has one or more.")]),
    "no tables": ("scenario = 3", [(1, "scenario must be tables, each under a header [[scenario]], not 3.")]),
    "single brackets": (
        '[scenario]\nname = "clean"',
        [(1, "scenario must be tables, each under a header [[scenario]], not a table.")],
    ),
    "a scenario without a name": (
        "[[scenario]]\nmines = 3",
        [(1, f"This [[scenario]] has no name; there are {NAMES}.")],
    ),
    "an unknown scenario": (
        '[[scenario]]\nname = "claen"',
        [(2, f"There is no scenario 'claen'; there are {NAMES}. Did you mean clean?")],
    ),
    "a scenario of no text": ("[[scenario]]\nname = 3", [(2, "name must be a text that is not empty, not 3.")]),
    "an unknown key of the suite": (
        f"trails = 3\nzzz = 1\n{CLOSEWAIT}",
        [
            (1, "There is no 'trails' in the head of the file. Did you mean trials?"),
            (2, f"There is no 'zzz' in the head of the file; there are {', '.join([*HEAD, *TABLES])}."),
        ],
    ),
    "numbers out of bounds": (
        f"trials = 0\nwarmup = 101\nseed = -1\nsettle_s = 3600.5\nlimit_s = 0\n{CLOSEWAIT}",
        [
            (1, f"{TRIALS} 0."),
            (2, "warmup must be a whole number from 0 to 100, not 101."),
            (3, "seed must be a whole number from 0 to 9,223,372,036,854,775,807, not -1."),
            (4, "settle_s must be a number from 0 to 3,600, not 3600.5."),
            (5, "limit_s must be a number above 0 and up to 86,400, not 0."),
        ],
    ),
    "wrong types": (
        f'trials = true\nname = ""\ndesign = "ful"\ndescription = 2024-01-01\nmatrix = [1]\n{CLOSEWAIT}',
        [
            (1, f"{TRIALS} true."),
            (2, "name must be a text in one line, of 1 to 200 characters, not ''."),
            (3, "design must be one of full, one-at-a-time, pairwise, not 'ful'. Did you mean full?"),
            (4, "description must be a text, not 2024-01-01."),
            (5, "matrix must be a table, not [1]."),
        ],
    ),
    "more than are shown": (
        f"trials = 0.5\nwarmup = '1'\nseed = 1.5\nsettle_s = true\nlimit_s = []\ndesign = 1\n{CLOSEWAIT}x = 1\n",
        [
            (1, f"{TRIALS} 0.5."),
            (2, "warmup must be a whole number from 0 to 100, not '1'."),
            (3, "seed must be a whole number from 0 to 9,223,372,036,854,775,807, not 1.5."),
            (4, "settle_s must be a number from 0 to 3,600, not true."),
            (5, "limit_s must be a number above 0 and up to 86,400, not []."),
            "2 more errors are not shown.",
        ],
    ),
    "keys in the wrong table": (
        f"mines = 5\n{CLOSEWAIT}seed = 4\nnet.ipv4.tcp_tw_reuse = 1\n[defaults]\nlabel = 'x'\n",
        [
            (1, "mines belongs in [defaults], a [[scenario]] or [matrix], not in the head of the file."),
            (4, "seed belongs in the head of the file, above the first table, not in a [[scenario]]."),
            (5, "net belongs in [defaults.sysctls], [scenario.sysctls] or [matrix], not in a [[scenario]]."),
            (7, "label belongs in a [[scenario]], not in [defaults]."),
        ],
    ),
    "the plan's own name": (
        CLOSEWAIT + "scenario = 1",
        [(3, f"There is no 'scenario' in a [[scenario]]; there are {', '.join(SCENARIO)}.")],
    ),
    "acts of a single storm": (
        CLOSEWAIT + "acts = ['x']",
        [(3, "closewait has no act 'x'; it is a single storm.")],
    ),
    "acts that do not exist": (
        "[[scenario]]\nname = 'port-exhaustion'\nacts = ['tcp_tw_reuse 5']",
        [
            (
                3,
                (
                    "port-exhaustion has no act 'tcp_tw_reuse 5'; there are tcp_tw_reuse 0, tcp_tw_reuse 1, "
                    "tcp_tw_reuse 2. Did you mean tcp_tw_reuse 2?"
                ),
            )
        ],
    ),
    "an act that continues another": (
        "[[scenario]]\nname = 'article'\nacts = ['ports by bind()']",
        [(3, "The act 'ports by bind()' continues the one before it; choose that too.")],
    ),
    "wrong fields of a plan": (
        f"{CLOSEWAIT}mins = 3\nmines = true\nports = 'shufle'\nfamily = 5\nport_range = [1, 2.5]",
        [
            (3, "There is no 'mins' in a [[scenario]]. Did you mean mines?"),
            (4, "mines must be a whole number, not true."),
            (5, f"ports must be one of {', '.join(Ports)}, not 'shufle'. Did you mean shuffle?"),
            (6, "family must be 4 or 6, not 5."),
            (7, "port_range must be two whole numbers, such as [40000, 40999], not [1, 2.5]."),
        ],
    ),
    "wrong defaults": (
        f"[defaults]\nrate = 3\nrest_s = false\npin = 0\n[defaults.sysctls]\nmines = 1\n{CLOSEWAIT}",
        [
            (2, "There is no 'rate' in [defaults]. Did you mean rate_per_s?"),
            (3, "rest_s must be a number, not false."),
            (4, "pin must be true or false, not 0."),
            (6, "'mines' is no network setting; give its dotted name, such as net.ipv4.tcp_fin_timeout."),
        ],
    ),
    "wrong settings": (
        f"""{CLOSEWAIT}[scenario.sysctls]
        "net.ipv4.tcp_tw_resue" = 1
        "kernel.pid_max" = 1
        net.ipv4.tcp_timestamps = [true]
        "net.ipv4/tcp_syn_retries" = 1
        "net.ipv5.tcp_tw_reuse" = 2""",
        [
            (
                4,
                (
                    "There is no setting 'net.ipv4.tcp_tw_resue' on this machine, nor is it known from other kernels. "
                    f"Did you mean {TW_REUSE}?"
                ),
            ),
            (5, "'kernel.pid_max' is no network setting; give its dotted name, such as net.ipv4.tcp_fin_timeout."),
            (6, "net.ipv4.tcp_timestamps must be a whole number or a text, not [True]."),
            (
                7,
                (
                    "'net.ipv4/tcp_syn_retries' is no network setting; give its dotted name, such as "
                    "net.ipv4.tcp_fin_timeout. Did you mean net.ipv4.tcp_syn_retries?"
                ),
            ),
            (
                8,
                (
                    "There is no setting 'net.ipv5.tcp_tw_reuse' on this machine, nor is it known from other kernels. "
                    f"Did you mean {TW_REUSE}?"
                ),
            ),
        ],
    ),
    "a folder of settings": (
        f"{CLOSEWAIT}[scenario.sysctls]\nnet.ipv4.conf = 1",
        [(4, "net.ipv4.conf is a folder of settings; name one that is in it.")],
    ),
    "a setting with and without quotes": (
        f'{CLOSEWAIT}[scenario.sysctls]\n{TW_REUSE} = 1\n"{TW_REUSE}" = 1',
        [(5, f"'{TW_REUSE}' is there already (line 4); leave one out.")],
    ),
    "an axis with and without quotes": (
        f'{CLOSEWAIT}[matrix]\n{TW_REUSE} = [1]\nnet."ipv4.tcp_tw_reuse" = [2]',
        [(5, f"'{TW_REUSE}' is there already (line 4); leave one out.")],
    ),
    "two scenarios of one label": (
        f'{CLOSEWAIT}{CLOSEWAIT}[[scenario]]\nname = "clean"\nlabel = "closewait"\n',
        [
            (4, "There is a scenario 'closewait' already (line 1); give this one a label of its own."),
            (7, "There is a scenario 'closewait' already (line 1); give this one a label of its own."),
        ],
    ),
    "what the acts vary": (
        "[defaults]\nports = 'bind'\n[[scenario]]\nname = 'article'\nmatrix.fresh = [true]\n[matrix]\nfresh = [true]",
        [
            (2, f"{VARIES.format('ports')} use another scenario."),
            (5, f"{VARIES.format('fresh')} use another scenario."),
        ],
    ),
    "a setting that the acts vary": (
        f"[[scenario]]\nname = 'port-exhaustion'\n[matrix]\n{TW_REUSE} = [0, 1]",
        [
            (
                4,
                (
                    f"The scenario port-exhaustion itself varies {TW_REUSE} from act to act (tcp_tw_reuse 0, "
                    "tcp_tw_reuse 1, tcp_tw_reuse 2); leave it out, or use another scenario."
                ),
            )
        ],
    ),
    "axes without values": (
        f"{CLOSEWAIT}[matrix]\nmines = 5\nwindow = []\n{TW_REUSE} = {{}}",
        [
            (4, "mines must be a list of one or more values, not 5."),
            (5, "window must be a list of one or more values, not []."),
            (6, f"{TW_REUSE} must be a list of one or more values, not a table."),
        ],
    ),
    "wrong values of axes": (
        f"""{CLOSEWAIT}[matrix]
        mines = [1, "2",
          1, true]
        {TW_REUSE} = [1,
          "1"]
        ports = ["bind", # nothing wrong
          "kernal"]""",
        [
            (4, "mines must be a whole number, not '2'."),
            (5, "mines has the value 1 twice."),
            (5, "mines must be a whole number, not true."),
            (7, f"{TW_REUSE} has the value '1' twice."),
            (9, f"ports must be one of {', '.join(Ports)}, not 'kernal'. Did you mean kernel?"),
        ],
    ),
    "values of settings": (
        f"{CLOSEWAIT}[matrix]\n{TW_REUSE} = [1.5, true, [1]]",
        [
            (4, f"{TW_REUSE} must be a whole number or a text, not 1.5."),
            (4, f"{TW_REUSE} must be a whole number or a text, not true."),
            (4, f"{TW_REUSE} must be a whole number or a text, not [1]."),
        ],
    ),
    "no axes": (
        f"{CLOSEWAIT}[matrix]\nmimes = [1]\nzzz = [1]\nsysctls.{TW_REUSE} = [1]\nseed = [1]\n{TW_REUSE}x = [1]",
        [
            (4, "'mimes' is no axis: neither a dotted setting nor a field of a plan. Did you mean mines?"),
            (5, f"'zzz' is no axis: neither a dotted setting nor a field of a plan, of which there are {FIELDS}."),
            (6, "Each setting is an axis of its own; leave out sysctls before its name."),
            (7, f"seed cannot be an axis; there are {FIELDS}, and the kernel's settings by dotted name."),
            (
                8,
                (
                    f"There is no setting '{TW_REUSE}x' on this machine, nor is it known from other kernels. "
                    f"Did you mean {TW_REUSE}?"
                ),
            ),
        ],
    ),
    "a wrong baseline": (
        f"{CLOSEWAIT}[matrix]\nmines = [0, 5]\n{TW_REUSE} = [0, 1]\n[baseline]\nmines = 3\nmies = 0\n{TW_REUSE} = true",
        [
            (7, "mines has no value 3 in closewait; it has 0, 5."),
            (8, f"The scenario closewait has no axis 'mies'; there are mines, {TW_REUSE}. Did you mean mines?"),
            (9, f"{TW_REUSE} has no value true in closewait; it has 0, 1."),
        ],
    ),
    "a baseline without axes": (
        f"{CLOSEWAIT}[baseline]\nmines = 3",
        [(4, "The scenario closewait has no axis 'mines'; there is none.")],
    ),
    "a baseline that one scenario does not have": (
        f"{CLOSEWAIT}[[scenario]]\nname = 'clean'\nmatrix.mines = [1]\n[matrix]\nmines = [0, 1]\n[baseline]\nmines = 0",
        [(9, "mines has no value 0 in clean; it has 1.")],
    ),
    "a baseline as number and as text": (
        (
            f"{CLOSEWAIT}[[scenario]]\nname = 'clean'\nmatrix.{TW_REUSE} = ['1']\n[matrix]\n{TW_REUSE} = [1]\n"
            f"[baseline]\n{TW_REUSE} = 1"
        ),
        [(9, f"{TW_REUSE} has this value as a number in one scenario, as a text in another; choose one.")],
    ),
    "wrong exclusions": (
        f"""{CLOSEWAIT}matrix.mines = [0, 5]
        [[scenario]]
        name = "clean"
        matrix.window = [6, 7]
        [[exclude]]
        [[exclude]]
        mines = 4
        [[exclude]]
        scenario = "claen"
        [[exclude]]
        scenario = "clean"
        mines = 0
        [[exclude]]
        mines = 0
        window = 7""",
        [
            (7, "This [[exclude]] is empty and would exclude all cells; give a value of an axis or more."),
            (9, "mines has no value 4 in closewait; it has 0, 5."),
            (11, "There is no scenario 'claen' in this suite; there are closewait, clean. Did you mean clean?"),
            (14, "The scenario clean has no axis 'mines'; there are window."),
            (15, "No scenario has all of these values, so that this [[exclude]] excludes nothing."),
        ],
    ),
    "an exclusion of no text": (
        f"{CLOSEWAIT}[[exclude]]\nscenario = [3]",
        [(4, "There is no scenario [3] in this suite; there are closewait.")],
    ),
    "wrong gates": (
        f"""{CLOSEWAIT}[[gate]]
        [[gate]]
        expr = "errors == 1.0x"
        scenario = "closewiat"
        [[gate]]
        epxr = "errors == 0"
        expr = 5""",
        [
            (3, "This [[gate]] has no expr, such as 'body.p99 <= 1.10x'."),
            (
                5,
                (
                    "'errors == 1.0x' asks for an exact ratio value, which no measurement has; use <= or >= with a "
                    "comparison to the baseline."
                ),
            ),
            (6, "There is no scenario 'closewiat' in this suite; there are closewait. Did you mean closewait?"),
            (8, "There is no 'epxr' in a [[gate]]. Did you mean expr?"),
            (9, "expr must be a text that is not empty, not 5."),
        ],
    ),
    "an unknown metric": (
        f"{CLOSEWAIT}[[gate]]\nexpr = 'eros <= 1'",
        [(4, "There is no metric 'eros'; did you mean errors?")],
    ),
    "plans that cannot be": (
        f"""[defaults]
        mines = -1
        {CLOSEWAIT}window = 0
        [[scenario]]
        name = "clean"
        mines = 2
        [matrix]
        workers = [1, 0,
          65]""",
        [
            (2, "With closewait: --mines must be from 0 to 100,000,000, not -1."),
            (5, "--window must be from 1 to 1,000,000, not 0."),
            (10, "--workers must be from 1 to 64, not 0."),
            (11, "--workers must be from 1 to 64, not 65."),
        ],
    ),
    "a baseline that cannot be": (
        f"{CLOSEWAIT}sources = 0\n[matrix]\nrate_per_s = [-1, 5]\nports = ['sweep', 'kernel']\n[defaults]\nsweeps = 2",
        [
            (3, "--source may be a range of 1 to 65,536 addresses, not of 0."),
            (5, "--rate must be from 0.001 to 1,000,000 a second, not -1."),
            (6, "--sweeps needs --ports sweep or shuffle; with kernel the kernel chooses the ports."),
        ],
    ),
    "a plan that its scenario cannot have": (
        "[[scenario]]\nname = 'port-cost'\nworkers = 2",
        [(3, "A scenario that fills its range step by step needs one worker; leave out --workers.")],
    ),
    "a plan whose fault names no option that is given": (
        "[[scenario]]\nname = 'article'\ntarget_ports = 2",
        [
            (1, "A scenario that samples socket pairs follows one source address and one port; give one of each."),
            (1, "Mines on ports that clients get follows one source address and one port; give one of each."),
        ],
    ),
    "numbers that none is": (
        f"settle_s = nan\nlimit_s = -inf\nseed = 0x8000000000000000\n{CLOSEWAIT}",
        [
            (1, "nan is no number that a suite can use."),
            (2, "-inf is no number that a suite can use."),
            (3, "A number has 64 bits in TOML, and this one is larger."),
        ],
    ),
    "too deep": (
        f"{CLOSEWAIT}mines = {'[' * 20}{']' * 20}",
        [(1, "Here are more than 16 levels of nested tables and lists.")],
    ),
}


@pytest.mark.parametrize("error_case", ERRORS)
def test_every_error_is_shown_with_its_line(error_case):
    text, told = ERRORS[error_case]
    expected = []
    for entry in told:
        line, sentence = entry if isinstance(entry, tuple) else (None, entry)
        if line is not None:
            expected.append(f"s.toml, line {line}: {sentence}")
        else:
            expected.append(sentence if sentence.endswith("not shown.") else f"s.toml: {sentence}")
    assert refusal(text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("trials 1", "s.toml, line 1, column 8: this is no TOML: Expected '=' after a key in a key/value pair."),
        ("# x\ntrials = \nx = 1", "s.toml, line 2, column 10: this is no TOML: Invalid value."),
        ("trials = 1\ntrials = 2\n\n", "s.toml, line 2, column 11: this is no TOML: Cannot overwrite a value."),
        ("x = [\n1,\n\n", "s.toml, line 2, the end of the file: this is no TOML: Invalid value."),
        ("x = 2024-02-30", "s.toml, line 1, column 5: this is no TOML: Invalid date or datetime."),
        (f"x = {'[' * 5000}", "s.toml has too many nested lists or tables."),
    ],
)
def test_what_is_no_toml_is_told_with_line_and_column(text, sentence):
    (told,) = refusal(text)
    # tomllib words its errors: they may change, and where they are may move by a character.
    assert re.sub(r"column \d+", "column", told) == re.sub(r"column \d+", "column", sentence)


def test_a_number_of_too_many_digits_is_refused():
    (told,) = refusal(f"seed = {'9' * 5000}")
    assert told.startswith("s.toml has an invalid value: Exceeds the limit")


def test_a_key_of_thousands_of_parts_is_refused():
    assert refusal(f"{'a.' * 3000}a = 1") == ["s.toml, a.a: Here are more than 16 levels of nested tables and lists."]


def test_a_file_is_read_and_named_by_its_stem(tmp_path):
    path = tmp_path / "nightly.toml"
    path.write_bytes(b"\xef\xbb\xbf" + CLOSEWAIT.replace("\n", "\r\n").encode())
    assert read(path).name == "nightly"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (None, " cannot be read: No such file or directory."),
        (b"", ": There is no [[scenario]]; a suite has one or more."),
        (b"trials = 1\nname = '\xff'\n", ", line 2: this is not UTF-8, as TOML has to be."),
        (
            b"trials = 1\r\ntrails = 1\r\n[[scenario]]\r\nname='clean'",
            ", line 2: There is no 'trails' in the head of the file. Did you mean trials?",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, data, sentence):
    path = tmp_path / "s.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        read(path)
    assert str(caught.value) == f"{path}{sentence}"


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(UsageError, match=r"cannot be read: Is a directory\.$"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"scenario": [{"name": "clean", "mines": "x"}]}, "scenario[0].mines: mines must be a whole number, not 'x'."),
        (
            {"scenario": [{"name": "clean"}], "matrix": {TW_REUSE: [None]}},
            f"matrix.'{TW_REUSE}'[0]: A suite has no value of Python's type NoneType; give what TOML has.",
        ),
        (
            {"scenario": [{"name": "clean", "port_range": (1, 2)}]},
            "scenario[0].port_range: A suite has no value of Python's type tuple; give what TOML has.",
        ),
        ({"scenario": [{1: 2}]}, "scenario[0]: The key 1 is no text."),
    ],
)
def test_a_program_is_told_the_key(document, sentence):
    with pytest.raises(UsageError) as caught:
        build_suite(document, "mine")
    assert str(caught.value) == f"mine, {sentence}"


NASTY = (
    r'''# a = 1 [b] """
a = 1 # c = 2
"q.u" = "]" # [x]
'l' . m = """
[no]
no = "1\"
""\"""" # the end of it
n = """x"""""
o = '''
    "'''"
    r"""
[no]
'' """
    "'''"
    r"""
[ t . "u" ]
v = [ # [
  1, "]", [2,
  3],
  {w = 1, x.y = '}'},

  4 ]
d = 1979-05-27 07:32:00 # date
e = 1979-05-27
f = +1_0.5e-3
"\u0041" = true
[[s]]
[[s]]
[[s.z]]
k = {}
[s.y]
k = []
[[ s ]]
[s.y]
"" = 1
"""
)

NASTY_LINES = {
    ("a",): 2, ("q.u",): 3, ("l",): 4, ("l", "m"): 4, ("n",): 8, ("o",): 9, ("t",): 12, ("t", "u"): 12,
    ("t", "u", "v"): 13, ("t", "u", "v", 0): 14, ("t", "u", "v", 1): 14, ("t", "u", "v", 2): 14,
    ("t", "u", "v", 2, 0): 14, ("t", "u", "v", 2, 1): 15, ("t", "u", "v", 3): 16, ("t", "u", "v", 3, "w"): 16,
    ("t", "u", "v", 3, "x"): 16, ("t", "u", "v", 3, "x", "y"): 16, ("t", "u", "v", 4): 18, ("t", "u", "d"): 19,
    ("t", "u", "e"): 20, ("t", "u", "f"): 21, ("t", "u", "A"): 22, ("s",): 23, ("s", 0): 23, ("s", 1): 24,
    ("s", 1, "z"): 25, ("s", 1, "z", 0): 25, ("s", 1, "z", 0, "k"): 26, ("s", 1, "y"): 27, ("s", 1, "y", "k"): 28,
    ("s", 2): 29, ("s", 2, "y"): 30, ("s", 2, "y", ""): 31,
}  # fmt: skip


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_key_of_a_text_is_found(newline):
    text = NASTY.replace("\n", newline)
    assert line_numbers(text, tomllib.loads(text)) == NASTY_LINES


def test_no_line_is_better_than_a_wrong_one():
    assert line_numbers("a = 1", {"b": 1}) == {}
    assert line_numbers("a : 1", {"a": 1}) == {}
    assert line_numbers("[a", {"a": {}}) == {}
    with pytest.raises(UsageError, match=r"^s, trials: trials must be"):
        build_suite({"trials": 0}, "s", line_numbers("trails = 0", {"trials": 0}))


class Writer:
    """Writes a document as TOML in one of the many ways, and notes on which line each key and element comes."""

    def __init__(self, random):
        self.random, self.text, self.truth = random, "", {}

    def maybe(self):
        return self.random.random() < 0.5

    def note(self, at):
        self.truth.setdefault(at, self.text.count("\n") + 1)

    def string(self, text):
        if self.maybe() and text.isprintable() and "'" not in text:
            return f"'{text}'"
        return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

    def key(self, key):
        return key if re.fullmatch("[A-Za-z0-9_-]+", key) and self.maybe() else self.string(key)

    def end(self):
        self.text += self.random.choice(["", " ", ' # """ [[x]] = {', " # '"]) + self.random.choice(["\n", "\n\n"])

    def table(self, table, at=(), header=()):
        later = []
        for key, value in table.items():
            tables = isinstance(value, list) and value and all(isinstance(element, dict) for element in value)
            if (isinstance(value, dict) or tables) and self.maybe():
                later.append((key, value))
            else:
                self.pair(self.key(key), (*at, key), value)
        for key, value in later:
            name = (*header, self.key(key))
            for index, inner in enumerate(value if isinstance(value, list) else [value]):
                several = isinstance(value, list)
                self.note((*at, key))
                place = (*at, key, index) if several else (*at, key)
                self.note(place)
                self.text += f"[[{'.'.join(name)}]]" if several else f"[ {' . '.join(name)} ]"
                self.end()
                self.table(inner, place, name)

    def pair(self, name, at, value):
        self.note(at)
        if isinstance(value, dict) and value and self.maybe():
            for key, inner in value.items():
                self.note(at)
                self.pair(f"{name}.{self.key(key)}", (*at, key), inner)
            return
        self.text += f"{name} = "
        self.value(value, at)
        self.end()

    def value(self, value, at):
        if isinstance(value, dict):
            self.text += "{"
            for index, (key, inner) in enumerate(value.items()):
                self.text += ", " if index else " "
                self.note((*at, key))
                self.text += f"{self.key(key)} = "
                self.value(inner, (*at, key))
            self.text += "}"
        elif isinstance(value, list):
            self.text += "["
            for index, element in enumerate(value):
                self.text += self.random.choice(["", " ", "\n", " # ]\n"])
                self.note((*at, index))
                self.value(element, (*at, index))
                self.text += ","
            self.text += self.random.choice(["", "\n"]) + "]"
        elif isinstance(value, str):
            self.text += self.string(value)
        else:
            self.text += str(value).lower() if isinstance(value, bool) else str(value)


def written(document, random):
    """Return a document as TOML, and the line of each key and element."""
    writer = Writer(random)
    writer.table(document)
    assert tomllib.loads(writer.text) == document
    return writer.text, writer.truth


def outcome(text):
    """Return the suite, or what is said of its file: some sentences that each name it, and nothing else."""
    try:
        return decode_suite(text, "s.toml", "s")
    except UsageError as error:
        told = str(error).split("\n")
        assert told
        assert all(re.match(r"s\.toml.* .+", line) or line.endswith("not shown.") for line in told)
        for line in re.findall(r"^s\.toml, line (\d+)", str(error), re.MULTILINE):
            assert 1 <= int(line) <= text.count("\n") + 1
        return str(error)


# Fields that go together whatever their values; each with values as TOML has them.
FIELD_VALUES = {
    "attempts": st.integers(1, 5000),
    "mines": st.integers(0, 300),
    "window": st.integers(1, 500),
    "rest_s": st.integers(0, 9) | st.floats(0, 9),
    "deadline_s": st.floats(0.5, 9),
    "close": st.sampled_from(["rst", "fin"]),
    "release": st.sampled_from(["no-buckets", "linger2"]),
    "pin": st.booleans(),
    "family": st.sampled_from([4, 6]),
    "port_range": st.sampled_from([[40000, 40999], [50000, 59999]]),
}
SETTINGS = list(sysctl.RECORDED)
CONDITIONS = ["errors == 0", "body.p99 <= 1.10x", "rate >= -5%", "body.max < 20 ms"]


def alike(value):
    """Return what is the same of values of an axis that mean the same."""
    return tuple(value) if isinstance(value, list) else value


def axes_of(names):
    values = {name: FIELD_VALUES.get(name, st.integers(0, 9)) for name in names}
    return st.fixed_dictionaries(
        {name: st.lists(strategy, min_size=1, max_size=3, unique_by=alike) for name, strategy in values.items()}
    )


def some(names, least=0):
    return st.lists(st.sampled_from(list(names)), min_size=least, max_size=3, unique=True)


MATRIX = some([*FIELD_VALUES, *SETTINGS]).flatmap(axes_of)
PARAMETERS = some(FIELD_VALUES).flatmap(
    lambda names: st.fixed_dictionaries({name: FIELD_VALUES[name] for name in names})
)
SYSCTLS = st.dictionaries(st.sampled_from(SETTINGS), st.integers(0, 9) | st.sampled_from(["7", "1 2"]), max_size=3)


PRINTED = st.characters(exclude_categories=("C", "Zl", "Zp"))  # others have to be left out


@st.composite
def documents(draw):
    """Return a valid document, and the suite that it says."""
    head = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "name": st.text(PRINTED, min_size=1, max_size=200),
                "description": st.text(PRINTED),
                "design": st.sampled_from([design.value for design in Design]),
                "trials": st.integers(1, 1000),
                "warmup": st.integers(0, 100),
                "seed": st.integers(0, 2**63 - 1),
                "settle_s": st.floats(0, 3600) | st.integers(0, 3600),
                "limit_s": st.floats(0.25, 86400),
            },
        )
    )
    defaults, default_sysctls, shared = draw(PARAMETERS), draw(SYSCTLS), draw(MATRIX)
    tables, entries = [], []
    for index, name in enumerate(
        draw(st.lists(st.sampled_from(["clean", "closewait", "challenge-limit"]), min_size=1, max_size=3))
    ):
        fields, sysctls, own, measures = draw(PARAMETERS), draw(SYSCTLS), draw(MATRIX), draw(st.booleans())
        label = f"{name} {index}"
        tables.append({"name": name, "label": label, "measures": measures, "matrix": own, "sysctls": sysctls} | fields)
        plan, all_fields = SCENARIOS[name].plan, defaults | fields
        changes = (
            {"source": "::1", "target": "::1"} if all_fields.get("family") == 6 and "family" not in shared | own else {}
        )
        settings = {key: str(value) for key, value in (default_sysctls | sysctls).items()}
        document = msgspec.to_builtins(plan) | changes | all_fields
        document |= {"sysctls": plan.sysctls | settings, "seed": head.get("seed", 1)}
        entries.append(Entry(label=label, plan=msgspec.convert(document, Plan), axes=shared | own, measures=measures))
    baseline = {}
    for axis in draw(some({axis: None for entry in entries for axis in entry.axes} or {"": None})):
        common = [entry.axes[axis] for entry in entries if axis in entry.axes]
        both = [value for value in (common[0] if common else []) if all(value in values for values in common)]
        baseline |= {axis: draw(st.sampled_from(both))} if both else {}
    exclude = []
    for entry in draw(st.lists(st.sampled_from(entries), max_size=2)):
        if entry.axes:
            chosen = draw(some(entry.axes, least=1))
            rule = {axis: draw(st.sampled_from(entry.axes[axis])) for axis in chosen}
            rule |= {"scenario": entry.label} if draw(st.booleans()) else {}
            exclude += [rule] if rule not in exclude else []
    gates = [
        {"expr": expr} | ({"scenario": draw(st.sampled_from(entries)).label} if draw(st.booleans()) else {})
        for expr in draw(st.lists(st.sampled_from(CONDITIONS), max_size=2))
    ]
    document = head | {"defaults": defaults | {"sysctls": default_sysctls}, "scenario": tables, "matrix": shared}
    document |= {"baseline": baseline, "exclude": exclude, "gate": gates}
    suite = Suite(
        **{"name": "s"} | head | ({"design": Design(head["design"])} if "design" in head else {}),
        entries=entries,
        baseline=baseline,
        exclude=exclude,
        gates=[msgspec.convert(gate, Gate) for gate in gates],
    )
    return document, suite


def unquoted(table, random):
    """Return a document in which some dotted names are nested tables, as without quotes."""
    if isinstance(table, list):
        return [unquoted(element, random) for element in table]
    if not isinstance(table, dict):
        return table
    document = {}
    for key, value in table.items():
        *parents, last = key.split(".") if key.startswith("net.") and random.random() < 0.5 else [key]
        inner = document
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = unquoted(value, random)
    return document


@given(documents(), st.randoms(use_true_random=False))
def test_every_valid_document_is_read_as_what_it_says(pair, random):
    document, suite = pair
    text, truth = written(unquoted(document, random), random)
    assert decode_suite(text, "s.toml", "s") == suite
    assert line_numbers(text, tomllib.loads(text)) == truth
    assert build_suite(document, "s") == suite


LEAVES = (
    st.integers()
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.text(max_size=8)
    | st.sampled_from(["clean", "article", "rst", "errors == 0", "", "::1", date(2024, 1, 1)])
)


def at(document, position):
    for step in position:
        document = document[step]
    return document


@given(documents(), st.randoms(use_true_random=False), st.data())
def test_one_misspelt_key_is_told_with_its_line(pair, random, data):
    document = unquoted(pair[0], random)
    keys = [place for place in positions(document) if isinstance(place[-1], str)]
    *above, key = data.draw(st.sampled_from(keys))
    table = at(document, above)
    flat = "." not in key and isinstance(table[key], dict) and key not in {*TABLES, *DEFAULTS, *SCENARIO}
    table[f"{key}zzq"] = table.pop(key)
    text, _ = written(document, random)
    said = outcome(text)
    assert isinstance(said, str), "a misspelt key went unnoticed"
    if not flat:  # of nested tables that are one name, the line is that of the last part
        line = text[: text.index("zzq")].count("\n") + 1
        assert f"s.toml, line {line}: " in said


@given(documents(), st.randoms(use_true_random=False), st.data())
def test_a_document_with_something_changed_is_read_or_refused(pair, random, data):
    document = unquoted(copy.deepcopy(pair[0]), random)
    *above, key = data.draw(st.sampled_from(list(positions(document))))
    inside = at(document, above)
    if data.draw(st.booleans()):
        del inside[key]
    else:
        inside[key] = data.draw(LEAVES | st.lists(LEAVES, max_size=2) | st.dictionaries(st.text(max_size=3), LEAVES))
    outcome(written(document, random)[0])


@given(documents(), st.randoms(use_true_random=False), st.data())
def test_a_text_with_something_changed_is_read_or_refused(pair, random, data):
    text, _ = written(pair[0], random)
    place = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 5))
    outcome(
        text[:place] + data.draw(st.text(max_size=3) | st.sampled_from(list("[]{}\"'=.,#\n"))) + text[place + length :]
    )


KEYS = st.sampled_from(
    [
        "name",
        "label",
        "matrix",
        "sysctls",
        "net",
        "ipv4",
        "tcp_tw_reuse",
        "mines",
        "ports",
        "seed",
        "expr",
        "trials",
        TW_REUSE,
        "family",
        "host",
        *TABLES,
    ]
) | st.text(max_size=4)
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)
LIKELY = {
    "defaults": st.dictionaries(KEYS, ANYTHING, max_size=3),
    "matrix": st.dictionaries(KEYS, st.lists(LEAVES, max_size=3) | ANYTHING, max_size=3),
    "baseline": st.dictionaries(KEYS, LEAVES, max_size=2),
    "exclude": st.lists(st.dictionaries(KEYS, LEAVES, max_size=2), max_size=2),
    "gate": st.lists(st.dictionaries(KEYS, LEAVES, max_size=2), max_size=2),
    "scenario": st.lists(
        st.dictionaries(KEYS, ANYTHING, max_size=3).map(lambda table: {"name": "clean"} | table), max_size=2
    ),
}


@given(
    st.dictionaries(KEYS, ANYTHING, max_size=4) | st.fixed_dictionaries({}, optional=LIKELY),
    st.randoms(use_true_random=False),
)
def test_any_document_is_read_or_refused(document, random):
    text, truth = written(document, random)
    assert line_numbers(text, document) == truth
    outcome(text)


@given(st.text() | st.text(alphabet="ab[]{}\"'=.,# \n01", max_size=40))
def test_any_text_is_read_or_refused(text):
    outcome(text)


@given(st.binary())
def test_any_file_is_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(data)
    with pytest.raises(UsageError) as caught:  # no few bytes make a scenario
        read(path)
    assert str(caught.value).startswith(str(path))
