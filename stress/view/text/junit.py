# SPDX-License-Identifier: MIT
"""The results of a gate as JUnit XML, which CI systems show as tests (as the Jenkins XSD has it)."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from stress.analysis.gate.result import ConditionResult, State
from stress.view.text.gate_wording import sentence

NAME = "connstorm gate"
# The JUnit element of each state. Missing data is an error: the condition was not evaluated.
ELEMENTS = {
    State.BROKEN: "failure",
    State.NO_DATA: "error",
    State.NO_BASELINE: "skipped",
    State.INCONCLUSIVE: "skipped",
}


def junit_xml(results: Sequence[ConditionResult], allowed: Sequence[str] = ()) -> bytes:
    """Return a document with one test case per result, whose class name is the row; what was allowed is a property."""
    elements = [ELEMENTS.get(result.state) for result in results]
    counts = {
        "tests": str(len(results)),
        "failures": str(elements.count("failure")),
        "errors": str(elements.count("error")),
        "skipped": str(elements.count("skipped")),
    }
    root = ET.Element("testsuites", {"name": NAME} | {key: counts[key] for key in ("tests", "failures", "errors")})
    suite = ET.SubElement(root, "testsuite", {"name": NAME} | counts)
    if allowed:
        ET.SubElement(ET.SubElement(suite, "properties"), "property", name="allowed", value=", ".join(allowed))
    for result, element in zip(results, elements, strict=True):
        case = ET.SubElement(suite, "testcase", classname=clean(result.row or "all"), name=str(result.condition))
        if element is not None:
            ET.SubElement(case, element, message=clean(sentence(result)))
    return document(root)


def junit_error(text: str) -> bytes:
    """Return a document with the one test case that nothing could be evaluated, and why."""
    root = ET.Element("testsuites", {"name": NAME, "tests": "1", "failures": "0", "errors": "1"})
    counts = {"tests": "1", "failures": "0", "errors": "1", "skipped": "0"}
    suite = ET.SubElement(root, "testsuite", {"name": NAME} | counts)
    case = ET.SubElement(suite, "testcase", classname="all", name="the gate is evaluated")
    ET.SubElement(case, "error", message=clean(text))
    return document(root)


def document(root: ET.Element) -> bytes:
    """Return a tree as an indented file."""
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def clean(text: str) -> str:
    """Return a text without the characters that XML 1.0 does not allow (section 2.2)."""
    return "".join(letter for letter in text if letter in "\t\n\r" or " " <= letter <= "\ud7ff" or letter >= "\ue000")
