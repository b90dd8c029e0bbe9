"""Hostile reports, and hostile folders to hold them. Each has a name; none depends on chance."""

import os
import socket
from pathlib import Path

from pipeline.report.comment import MARKER, REPORT

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e\U000e0041\U000e007f"

# What would act, wherever it stood in a comment.
ACTIVE = {
    "mention": "@octocat",
    "mention of a team": "@acme/maintainers",
    "mention in the middle": "thanks to @octocat, or (@octocat)",
    "mention after a sign": "*@octocat* _@octocat_ ~~@octocat~~",
    "mention by a decimal entity": "&#64;octocat",
    "mention by a hexadecimal entity": "&#x40;octocat",
    "mention by a named entity": "&commat;octocat",
    "mention by an entity of an entity": "&amp;#64;octocat",
    "mention by a named entity of an entity": "&amp;commat;octocat",
    "link by entities of entities": "&amp;lsqb;x&amp;rsqb;&amp;lpar;//evil.example&amp;rpar;",
    "command by an entity of an entity": "&amp;sol;merge &amp;colon;&amp;colon;error::x",
    "mention behind a backslash": r"\@octocat",
    "mention behind two backslashes": r"\\@octocat",
    "mention split by an invisible character": "@\u200boctocat @\u00adoctocat",
    "command to dependabot": "@dependabot merge",
    "issue": "#1",
    "issue of another repository": "torvalds/linux#1",
    "issue behind a backslash": r"\#1",
    "issue by an entity": "&#35;1 &num;1",
    "issue in the old way": "GH-1",
    "issue in the old way, small": "gh-1",
    "issue in the old way, escaped": r"GH\-1",
    "issue in the old way, in emphasis": "_GH-1_ __gh-2__",
    "issue in the old way, by an entity": "GH&#45;1 G&#72;-1",
    "closing keyword": "fixes #1, closes GH-2, resolves torvalds/linux#3",
    "closing keyword with an address": "closes https://github.com/acme/heart/issues/1",
    "commit of another repository": "torvalds/linux@" + "a" * 40,
    "advisory": "GHSA-jfh8-c2jp-5v3q and CVE-2021-44228",
    "link": "[click](https://evil.example/)",
    "link with a title": '[click](https://evil.example/ "title")',
    "link in angle brackets": "[click](<https://evil.example/>)",
    "link with an escaped bracket": r"[click]\(https://evil.example/) [click\](https://evil.example/)",
    "link without a scheme": "[click](//evil.example/)",
    "link into the repository": "[click](../../settings)",
    "link that runs": "[click](javascript:alert(1))",
    "link to data": "[click](data:text/html;base64,PHNjcmlwdD4=)",
    "reference": "[click][there]\n\n[there]: https://evil.example/",
    "reference of its own text": "[click]\n\n[click]: https://evil.example/",
    "reference with an escaped colon": "[click]\n\n[click]\\: https://evil.example/",
    "reference before the text": "[click]: <https://evil.example/> 'title'\n\n[click][]",
    "footnote": "text[^1]\n\n[^1]: https://evil.example/",
    "image": "![pixel](https://evil.example/pixel.png)",
    "image by a reference": "![pixel][there]\n\n[there]: https://evil.example/pixel.png",
    "image inside of a link": "[![pixel](https://evil.example/p)](https://evil.example/)",
    "address": "https://evil.example/",
    "address, not encrypted": "http://evil.example/",
    "address of files": "ftp://evil.example/",
    "address, escaped": r"https\://evil.example/ https:\/\/evil.example/ https:\//evil.example",
    "address by entities": "https&colon;//evil.example https:&sol;&sol;evil.example",
    "address in angle brackets": "<https://evil.example/>",
    "address without a scheme": "www.evil.example",
    "address without a scheme, escaped": r"www\.evil.example w\ww.evil.example",
    "address without a scheme, in emphasis": "_www.evil.example_ *www.evil.example*",
    "mail": "someone@evil.example",
    "mail in angle brackets": "<someone@evil.example>",
    "mail with a scheme": "mailto:someone@evil.example xmpp:someone@evil.example",
    "script": "<script>alert(1)</script>",
    "image tag": "<img src=x onerror=alert(1)>",
    "image tag over lines": "<img\nsrc=https://evil.example/p\n>",
    "picture tag": "<picture><source srcset=//evil.example/p></picture>",
    "anchor tag": '<a href="https://evil.example/">click</a>',
    "frame": '<iframe src="https://evil.example/"></iframe>',
    "style": "<style>* { display: none }</style>",
    "form": "<form action=//evil.example><button>go</button></form>",
    "tag in capitals": "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "tag by entities": "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x&#62;",
    "tag by double entities": "&amp;lt;script&amp;gt;",
    "tag behind a backslash": r"\<script>alert(1)\</script>",
    "tag split by a control character": "<scr\0ipt>alert(1)</scr\0ipt>",
    "tag that never ends": "<details",
    "comment": "<!-- nobody sees this -->",
    "comment that never ends": "<!--",
    "our own mark": MARKER,
    "our own mark, twice": f"{MARKER}\n{MARKER}",
    "processing instruction": "<?php echo 1 ?>",
    "declaration": "<!DOCTYPE html>",
    "cdata": "<![CDATA[ <script> ]]>",
    "fold with an attribute": "<details open onclick=alert(1)><summary>All</summary>",
    "fold in capitals": "<DETAILS><SUMMARY>All</SUMMARY>",
    "fold with a tag in its title": "<details><summary><img src=x></summary>",
    "fold with a link in its title": "<details><summary>[a](//evil.example)</summary>",
    "fold with a mention in its title": "<details><summary>@octocat</summary>",
    "fold with a reference in its title": "<details><summary>GH-1 #1</summary>",
    "fold that is never closed": "<details><summary>All of it</summary>\n\nhidden",
    "fold that was never open": "</details>\n</details></details>",
    "folds in folds": "<details><summary>All</summary>\n" * 50 + "</details>\n" * 60,
    "fold right before a mention": "<details><summary>All</summary>\n@octocat <b>",
    "workflow command": "::error file=app.js,line=1::gotcha",
    "workflow command that sets": "::set-output name=x::y\n::set-env name=PATH::/evil",
    "workflow command to stop": "::stop-commands::token",
    "workflow command, escaped": r"\:\:error::x :\:error::x",
    "workflow command, the older way": "##[set-env name=PATH]/evil\n##vso[task.setvariable]x",
    "slash command": "/merge",
    "slash commands on lines": "text\n/approve\n/lgtm\n  /ok-to-test\n> /merge\n- /retest",
    "slash command, escaped": r"\/merge",
    "slash command by an entity": "&sol;merge &#47;merge",
    "slash command in emphasis": "_/merge_ **/merge**",
    "mathematics": r"$\href{https://evil.example}{click}$",
    "mathematics on a line": "$$\n\\unicode{x40}octocat\n$$",
    "mathematics, escaped": r"\$x\$ $`x`$",
    "alert": "> [!CAUTION]\n> your token leaked",
    "fence": "```\n@octocat\n```",
    "fence of tildes": "~~~\n@octocat\n~~~",
    "fence that never ends": "```````` \n@octocat",
    "fences in fences": "````\n```\n~~~\n```\n@octocat\n````\n#1",
    "fence with a drawing": '```mermaid\ngraph TD; A-->B; click A "https://evil.example"\n```',
    "fence with a map": '```geojson\n{"type": "Point"}\n```',
    "fence with mathematics": "```math\n\\href{https://evil.example}{x}\n```",
    "fence with a suggestion": "```suggestion\nevil\n```",
    "fence behind a backslash": "\\```\n@octocat\n\\~~~",
    "fence in a list": "- ```\n  @octocat\n",
    "code that never ends": "`@octocat #1 <img src=x>",
    "code that ends behind a backslash": r"`\` @octocat `#1`",
    "code around a tag": "``<img src=x>`` `@octocat` `#1`",
    "directions": f"{BIDI}tac{BIDI}@octocat{BIDI}",
    "invisible characters": f"{INVISIBLE}#{INVISIBLE}1",
    "direction over a line": "\u202egnihton @octocat\u202c",
    "control characters": "".join(map(chr, range(32))) + "\x7f\x80\x85\x9f@octocat",
    "nul": "@\0octocat\0#\0001",
    "escape sequence": "\x1b[2J\x1b]8;;https://evil.example\x07click\x1b]8;;\x07",
    "carriage returns": "harmless\r@octocat\r\n/merge\r\r#1",
    "other ends of lines": "a\u2028/merge\u2029::error::x\x0b@octocat\x0c#1\x85/merge",
    "wide signs": "\uff20octocat \uff031 \uff1cscript\uff1e",
    "private characters": "\ue000\U000f0000\uffff\ufffe@octocat",
    "accents": "Z" + "\u0301" * 500 + "@octocat",
    "table": "| a | b |\n|---|---|\n| @octocat | #1 |\n| <b> | [x](//evil.example) |",
    "table with escaped bars": r"| a \| @octocat | `x\|#1` |",
    "row of a thousand cells": "|" + "@o|" * 1000,
    "quotes in quotes": ">" * 3000 + " @octocat",
    "lists in lists": "\n".join("  " * depth + "- @octocat" for depth in range(200)),
    "emphasis in emphasis": "*" * 4000 + "@octocat" + "_" * 4000,
    "brackets in brackets": "[" * 5000 + "x" + "](//evil.example)" * 200,
    "headings": "# #1\n####### @octocat\n#@octocat\n#\n## [a](//evil.example)",
    "underlined heading": "@octocat\n===\n\n#1\n---",
    "block of indented code": "    @octocat\n\t#1",
    "front matter": "---\ntitle: '@octocat'\n---",
    "task list": "- [ ] @octocat\n- [x] #1",
    "emoji of an attacker": ":shipit: :octocat: @octocat",
    "backslashes": "\\" * 101 + "@octocat" + "\\" * 7 + "#1",
    "backslash at the end of a line": "text\\\n@octocat\\\n/merge\\",
    "half an entity": "&#64 &#64octocat &#x; &# &; &#00000000064;octocat",
    "signature of ours": "---\n*Written by the code of this pull request at `0000`*",
}
WORDS = ("%s", "text %s text", "| cell | %s |\n|---|---|\n| %s | x |", "`%s`", "**%s**", "> - %s")


def reports():
    """Return hostile reports by name: each fragment by itself, and within what a report has."""
    found = {}
    for name, text in ACTIVE.items():
        for number, around in enumerate(WORDS[: 2 if "\n" in text else None]):
            found[f"{name}, {number}"] = around.replace("%s", text).encode()
    filler = "| @octocat | #1 | <b> | \n" * 20_000
    return found | {
        "everything": "\n\n".join(ACTIVE.values()).encode(),
        "everything, on one line": " ".join(ACTIVE.values()).replace("\n", " ").encode(),
        "far too many lines": filler.encode(),
        "one line that is far too long": (b"@octocat #1 &lt; " * 50_000),
        "a fold that has to be cut": (
            "<details><summary>All</summary>\n\n" + filler + "\n</details>"
        ).encode(),
        "exactly what is read at most": b"@" * 1_000_000,
        "ampersands, which grow": b"&" * 65_000,
        "only ends of lines": b"\n" * 500_000,
        "only spaces": b" " * 500_000,
        "only invisible characters": INVISIBLE.encode() * 1000,
        "nothing": b"",
        "a picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "an archive": b"PK\x03\x04@octocat",
        "latin 1": "B\u00fccher @octocat".encode("latin-1"),
        "utf 16": "@octocat".encode("utf-16"),
        "half a character": b"@octocat \xf0\x9f\x92",
        "a surrogate": b"\xed\xa0\x80@octocat",
        "an overlong form": b"\xc1\x80octocat \xe0\x81\x80",
        "a mark of byte order": b"\xef\xbb\xbf" + MARKER.encode(),
    }


SECRET = "@secret of the machine"  # noqa: S105 (what a link would betray)


def _linked(folder: Path, target: Path) -> None:
    (folder / REPORT).symlink_to(target)


def outside(folder: Path) -> Path:
    """Return a file beside the folder that must not be shown."""
    path = folder.parent / "outside.md"
    path.write_text(SECRET)
    return path


def _socket(folder: Path) -> None:
    # The path of a socket may be short only, so it is given from inside.
    here = Path.cwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(REPORT)
    finally:
        os.chdir(here)


def _large(folder: Path, size: int) -> None:
    with (folder / REPORT).open("wb") as file:
        file.write(b"@octocat")
        file.truncate(size)


def _others(folder: Path) -> None:
    for name in ("Model-Report.md", "model-report.md ", "model-report.md.", "model-report.MD"):
        (folder / name).write_text(SECRET)
    (folder / f"{REPORT}\n::error::x").write_text(SECRET)
    (folder / "nested").mkdir()
    (folder / "nested" / REPORT).write_text(SECRET)
    (folder / "pr-number").write_text("1")


def _not_readable(folder: Path) -> None:
    (folder / REPORT).mkdir()
    (folder / REPORT / REPORT).write_text(SECRET)


# What to make in an empty folder, and what the comment then says.
FOLDERS = {
    "nothing": (lambda _: None, "it has no model-report.md"),
    "only other names": (_others, "it has no model-report.md"),
    "a folder of that name": (_not_readable, "that is no plain file"),
    "a pipe": (lambda folder: os.mkfifo(folder / REPORT), "that is no plain file"),
    "a socket": (_socket, "that is no plain file"),
    "a link to a file": (lambda f: _linked(f, outside(f)), "that is no plain file"),
    "a link up": (
        lambda f: _linked(f, Path("..") / outside(f).name),
        "that is no plain file",
    ),
    "a link to a device": (lambda f: _linked(f, Path("/dev/zero")), "that is no plain file"),
    "a link to passwords": (lambda f: _linked(f, Path("/etc/passwd")), "that is no plain file"),
    "a link to the environment": (
        lambda f: _linked(f, Path("/proc/self/environ")),
        "that is no plain file",
    ),
    "a link to nowhere": (lambda f: _linked(f, Path("nowhere")), "that is no plain file"),
    "a link to itself": (lambda f: _linked(f, Path(REPORT)), "that is no plain file"),
    "a byte too many": (lambda f: _large(f, 1_000_001), "of more than 1,000,000 bytes"),
    "10 megabytes": (lambda f: _large(f, 10 << 20), "of more than 1,000,000 bytes"),
    "a terabyte with nothing in it": (lambda f: _large(f, 1 << 40), "of more than 1,000,000 bytes"),
}
