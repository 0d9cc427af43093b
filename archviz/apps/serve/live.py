"""A page that a backend made → the same page, which keeps itself up to date.

In: the bytes of a page with one ``<meta http-equiv="Content-Security-Policy" content="…">`` and one ``</body>``.  Out:
the page with our script, which its policy now names by its digest, and that policy.
"""
from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html import escape, unescape
from pathlib import Path

META = re.compile(rb'(<meta http-equiv="Content-Security-Policy" content=")([^"]*)(">)')
END = b"</body>"
SCRIPT = Path(__file__).with_name("live.js").read_text("utf-8").strip()

BLANK = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{target}</title>
<link rel="icon" href="data:,">
<style>:root{{color-scheme:light dark}}</style>
</head>
<body>
<noscript>archviz serve keeps this page up to date with JavaScript, which is switched off here.</noscript>
</body>
</html>
"""


def blank(target: str) -> bytes:
    """The page while there is no figure of `target` yet."""
    return BLANK.format(target=escape(target)).encode("utf-8", "replace")


def live(page: bytes, name: str) -> tuple[bytes, str]:
    """`page` with our script, and the policy it then has.

    `name` is what the server calls this version of the page, empty for one without a figure.
    """
    policies = META.findall(page)
    if len(policies) != 1 or page.count(END) != 1:
        raise ValueError(f"a page has one content security policy and one end, not {len(policies)} and "
                         f"{page.count(END)}")
    digest = b64encode(sha256(SCRIPT.encode()).digest()).decode()
    policy = allowing(allowing(unescape(policies[0][1].decode()), "script-src", f"'sha256-{digest}'"),
                      "connect-src", "'self'")
    page = META.sub(lambda meta: meta[1] + escape(policy, quote=False).encode() + meta[3], page)
    head, _, tail = page.rpartition(END)
    script = f'<script data-page="{escape(name)}">{SCRIPT}</script>\n'
    return head + script.encode() + END + tail, policy


def allowing(policy: str, directive: str, source: str) -> str:
    """`policy` with one more source that is allowed."""
    parts = [part.split() for part in policy.split(";") if part.strip()]
    sources = next((part for part in parts if part[0].lower() == directive), None)
    if sources is None:
        parts.append([directive, source])
    elif sources[1:] == ["'none'"]:
        sources[1:] = [source]
    else:
        sources.append(source)
    return "; ".join(" ".join(part) for part in parts)
