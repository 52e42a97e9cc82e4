# SPDX-License-Identifier: MIT
"""What a page of `connstorm report` says before any script runs: its text from top to bottom, a line for each part."""

from html.parser import HTMLParser

SILENT = {"style", "script", "template"}
LINES = {"p", "h1", "h2", "h3", "h4", "li", "tr", "caption", "legend", "label", "figcaption", "summary", "pre", "title"}
LINES |= {"div", "form", "dt"}
MARKS = {"title": "title: ", "h1": "# ", "h2": "## ", "h3": "### ", "h4": "#### ", "li": "- ", "pre": "    "}
CELLS = {"td", "th"}
VOID = {"br", "hr", "img", "input", "link", "meta"}


class PageText(HTMLParser):
    """The lines of a page, collected."""

    def __init__(self):
        super().__init__()
        self.lines, self.words, self.mark, self.open = [], [], "", []

    def end_line(self):
        text = "".join(self.words)
        if "pre" in self.open:
            self.lines += [f"    {line}" for line in text.splitlines()]
        elif shown := " ".join(text.split()):
            self.lines.append(f"{self.mark}{shown}")
        self.words, self.mark = [], ""

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag in LINES:
            self.end_line()
            self.mark = MARKS.get(tag, "")
            if tag in ("h1", "h2"):
                self.lines.append("")
        elif tag in CELLS and "".join(self.words).strip():
            self.words.append(" | ")
        elif tag == "button":
            self.words.append(" [")
        elif tag == "dd":
            self.words.append(": ")
        elif tag == "small":
            self.words.append(" ")
        if tag == "svg" and given.get("role") == "img":  # a picture that says something
            self.end_line()
            self.lines.append(f"[{given['aria-label']}]")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in LINES - {"dt"}:
            self.end_line()
        elif tag == "button":
            self.words.append("]")
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data):
        if not SILENT & {*self.open} and "svg" not in self.open:
            self.words.append(data)


def page_text(html):
    """Return the text of a page."""
    text = PageText()
    text.feed(html)
    text.close()
    text.end_line()
    return "\n".join(text.lines).strip() + "\n"
