# SPDX-License-Identifier: MIT
"""Texts that several rooms write alike."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.model.text import closest_match, did_you_mean, join_words, json_bytes, matching_names, plural, slug


def test_a_suggestion_is_a_sentence_or_ends_one():
    assert closest_match("body.p98", ["rate", "body.p99"]) == "body.p99"
    assert did_you_mean("body.p98", ["rate", "body.p99"]) == " Did you mean body.p99?"
    assert did_you_mean("body.p98", iter(["body.p99"]), clause=True) == "; did you mean body.p99?"
    assert did_you_mean("quite another", ["rate"]) == did_you_mean("rate", []) == ""


@pytest.mark.parametrize(
    ("words", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_words_are_joined_as_a_sentence_lists_them(words, text):
    assert join_words(words) == text
    assert join_words(words, "or") == text.replace("and", "or")


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("net.ipv4.tcp_syn_retries", ["net.ipv4.tcp_syn_retries"]),
        ("tcp_syn_retries", ["net.ipv4.tcp_syn_retries"]),
        ("syn_retries", ["net.ipv4.tcp_syn_retries"]),
        ("retries", ["net.ipv4.retries"]),  # a whole last part goes before the end of one
        ("ries", []),
        ("conntrack_max", ["net.netfilter.nf_conntrack_max", "net.nf_conntrack_max"]),
        ("", []),
        (".", []),
    ],
)
def test_a_short_name_stands_for_all_that_end_so(text, matches):
    known = ["net.ipv4.tcp_syn_retries", "net.ipv4.retries", "net.netfilter.nf_conntrack_max", "net.nf_conntrack_max"]
    assert matching_names(text, known) == matches


@pytest.mark.parametrize(("count", "text"), [(0, "0 tests"), (1, "1 test"), (12_000, "12,000 tests")])
def test_a_count_has_its_noun(count, text):
    assert plural(count, "test") == text
    assert plural(count, "a", "b") == f"{count:,} {'a' if count == 1 else 'b'}"


@given(st.text())
def test_a_slug_is_plain_and_of_limited_length(name):
    short = slug(name, 80)
    assert short.isascii()
    assert not {"/", "\0", " "} & set(short)
    assert len(short) <= 80
    assert slug(name).startswith(short)


def test_json_is_indented_and_ends_with_a_newline():
    data = json_bytes({"a": [1]})
    assert json.loads(data) == {"a": [1]}
    assert data == b'{\n "a": [\n  1\n ]\n}\n'
