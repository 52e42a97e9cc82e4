# SPDX-License-Identifier: MIT
"""The English of the project: the field's terms, ordinary word order, one meaning for each word.

Words that were this project's own idiom, and what is written in their place, are in the table of CONTRIBUTING.md.
"""

import ast
import re
import subprocess
import tokenize

from house import PACKAGE, REPOSITORY, module_of

# Parts of identifiers, as between underscores or capitals.
IDENTIFIERS = [
    "errand",
    "envoy",
    "parcel",
    "outturn",
    "matchup",
    "unpartnered",
    "rehearse",
    "rehearsed",
    "rehearsal",
    "ruling",
    "ruled",
    "judged",
    "trialled",
    "exhibit",
    "specimen",
    "glance",
    "culprit",
    "spelt",
    "unfit",
    "mistakes",
]
VARIABLES = ("found", "each")  # which do not say what they hold
PHRASES = (
    r"errands?",
    r"envoys?",
    r"parcels?",
    r"outturns?",
    r"what (?:it|they|a|the) \w* ?(?:comes?|came) to",
    r"(?:comes?|came) down to",
    r"lets? stand",
    r"matchups?",
    r"unpartnered",
    r"rehears\w+",
    r"rulings?",
    r"(?:is|are|was|were) ruled",
    r"trialled",
    r"exhibits?",
    r"specimens?",
    r"glances?",
    r"the weather",
    r"beside",
    r"an? \w+ an? (?:metric|cell|row|trial|attempt|file|kernel|verb|format|line|run|scenario)",
    r"(?:one|each) \w+ an? (?:metric|cell|row|trial|attempt|file|kernel|verb|format|line|run|scenario)",
    r"lacks?",
    r"lacking",
    r"the measuring clock",
    r"puts? \w* ?back",
    r"left changed",
    r"dear|dearer|dearest",
    r"(?:that )?cannot be[.,;:]",
    r"mistakes?",
    r"culprits?",
    r"spelt",
    r"unfit",
    r"how it gets on",
    r"gone on with",
    r"for ever",
    r"in spite of",
)
PHRASE = re.compile(r"(?<![\w-])(?:" + "|".join(PHRASES) + r")(?!\w)", re.IGNORECASE)
SHORT_NAMES = {
    "main",
    "slug",
    "read",
    "write",
    "run",
    "demo",
    "gate",
    "plot",
    "list_",
}  # click verbs, or used qualified
SHORTEST = 5
# (file, word): why it stays
ALLOWED = {
    ("stress/cli/plan_output.py", "lacking"): "a key of --json",
    ("stress/lab/host_sysctls.py", "put back"): "a value of doctor --restore --json",
    ("tests/test_sysctl_journal.py", "put back"): "the same value, as it is printed",
}
ALLOWED_MAX = 30
# Frozen data, what shows old words on purpose, and the table itself.
EXEMPT = (
    "tests/data/",
    "tests/golden/",
    "results/history/",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "tests/test_language.py",
    "LICENSE",
)


def words_of(identifier):
    """Return the words of an identifier in lower case: of ``is_left``, and of ``ArmPair``."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", identifier)]


def identifiers(module):
    """Yield (line, name) of everything that a module names."""
    for node in ast.walk(module.tree):
        line = getattr(node, "lineno", 0)
        for field in ("id", "attr", "arg", "name", "asname"):
            name = getattr(node, field, None)
            if isinstance(name, str):
                yield line, name
        if isinstance(node, ast.ImportFrom) and node.module:
            yield line, node.module


def odd_identifiers(module):
    """Return (line, word, identifier) of names that contain a word of the list, and of variables that say nothing."""
    names = [(line, word, name) for line, name in identifiers(module) for word in words_of(name) if word in IDENTIFIERS]
    variables = [(node.lineno, node.id, node.id) for node in ast.walk(module.tree) if isinstance(node, ast.Name)]
    variables += [(node.lineno, node.arg, node.arg) for node in ast.walk(module.tree) if isinstance(node, ast.arg)]
    return names + [variable for variable in variables if variable[1] in VARIABLES]


def short_functions(module):
    """Return (line, name, name) of module-level functions whose names are too short to be searched for."""
    return [
        (node.lineno, node.name, node.name)
        for node in module.tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and len(node.name.strip("_")) < SHORTEST
        and node.name not in SHORT_NAMES
    ]


def texts(path):
    """Yield (line, text) of what people read in a file: all of a document; comments and strings of a program."""
    if path.suffix != ".py":
        yield from enumerate(path.read_text().splitlines(), start=1)
        return
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    with path.open("rb") as stream:
        for token in tokenize.tokenize(stream.readline):
            if token.type in kinds:
                yield from enumerate(token.string.splitlines(), start=token.start[0])


def odd_phrases(path):
    """Return (line, word, phrase) of phrases of the list."""
    return [(line, match[0].lower(), text.strip()) for line, text in texts(path) for match in PHRASE.finditer(text)]


def files():
    listing = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False).stdout
    names = listing.split() or [str(path.relative_to(REPOSITORY)) for path in PACKAGE.rglob("*")]
    readable = (".py", ".pyx", ".pxd", ".pyi", ".h", ".c", ".md", ".toml", ".yml")
    return [REPOSITORY / name for name in names if name.endswith(readable) and not name.startswith(EXEMPT)]


def findings():
    """Yield (file, line, word, text) of all that is listed, allowed or not."""
    for path in files():
        name = str(path.relative_to(REPOSITORY))
        lines = odd_phrases(path)
        if path.suffix == ".py":
            module = module_of(path, REPOSITORY)
            lines += odd_identifiers(module)
            if name.startswith("stress/"):
                lines += short_functions(module)
        for line, word, text in sorted(set(lines)):
            yield name, line, word, text


def test_the_words_of_the_field_are_used():
    offenders = [
        f"{name}:{line}: {word}: {text[:90]}" for name, line, word, text in findings() if (name, word) not in ALLOWED
    ]
    assert not offenders


def test_the_rules_name_an_offender(tmp_path):
    file = tmp_path / "x.py"
    file.write_text('"""It is one row a metric."""\n\n\ndef on(found):\n    envoy = found\n    return envoy\n')
    module = module_of(file, tmp_path)
    assert {word for _, word, _ in odd_phrases(file)} == {"one row a metric"}
    assert {word for _, word, _ in odd_identifiers(module)} == {"found", "envoy"}
    assert {word for _, word, _ in short_functions(module)} == {"on"}


def test_exceptions_are_few_and_still_needed():
    assert len(ALLOWED) <= ALLOWED_MAX
    used = {(name, word) for name, _, word, _ in findings()}
    assert set(ALLOWED) <= used
