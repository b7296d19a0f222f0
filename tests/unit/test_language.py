"""The English of every text in the repository."""

import functools
import re
import subprocess

import pytest
from server import ROOT

#: Phrases that are not English as engineers write it, and what to write instead.
BANNED = {
    r"that (is|are) none\b|that is one\b": "invalid, malformed, missing",
    r"\b(is|are|was|were|be|been|being) told\b|\btold\b": "is notified, is logged, is sent",
    r"\bhears?\b|\bheard\b": "receives",
    r"\b(gives?|gave|given) .{0,20}\bback\b": "releases, returns",
    r"\b(takes?|took|taken) back\b": "undo",
    r"\b(gives?|gave|given|giving) (it |the \w+ |its \w+ |an \w+ )?up\b": "cancels, times out, closes",
    r"\b(holds?|held|holding) (\w+ )?(nobody|everybody|others|nothing|it|them) up\b|\bhold up\b": "blocks",
    r"\bsigns? of life\b|\bgoodbye\b|\bdies? in silence\b|\bhas died\b": "heartbeat, closes, crashed",
    r"\b(ordinary|old|other|fast|slow) road\b|\bthe road\b": "path",
    r"\bso (many|long)\b(?! as\b)": "N, for N seconds",
    r"\bas (many|often|long|much) as (one|there|are|it|they) (likes?|wants?|wanted|may)\b": "any number",
    r"\banew\b": "again",
    r"\bamiss\b|\bthe matter\b": "wrong, the problem",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bfor ever\b": "forever",
    r"\bin vain\b": "without effect",
    r"\bof (ours|one's own|ones own)\b": "custom",
    r"\bnobody('s| is| has| can| may| waits| knows| else| reads| watches| presses)\b": "no client",
    r"\bwhoever\b|\bwhosoever\b": "the client that",
    r"\bby itself\b|\bby themselves\b": "automatically",
    r"\bwants? (a|an|its|the|to)\b": "needs",
    r"\bknows? (nothing|only|of|whom)\b": "does not depend on",
    r"\brefus(e|es|ed|al|als|ing)\b(?! presses| by server)": "reject",
    r"\banswer(s|ed|ing)?\b": "response, respond",
    r"\b(comes?|came|gone|goes|going) on\b": "continues",
    r"\blooks? (whether|again|soon)\b": "checks",
    r"\bwhat (becomes|became) of\b": "the result of",
    r"\bmay not be\b.{0,10}\bhad\b|\bcan be had\b|\bto be had\b": "is available",
    r"\bAT_ONCE\b|\bLONGEST_|\bMOST_|_WITHIN\b|_EVERY\b|_AT_MOST\b": "MAX_…, …_TIMEOUT, …_INTERVAL",
}
#: Files whose texts are the contract's, a licence, or foreign.
EXCLUDED = {"LICENSE", "tests/unit/test_language.py"}
SUFFIXES = {
    ".py",
    ".js",
    ".css",
    ".html",
    ".md",
    ".sh",
    ".c",
    ".toml",
    ".service",
    ".txt",
    ".json",
    ".yml",
    ".yaml",
    "",
}


@functools.cache
def lines():
    """Return (place, line) of every line of every text."""
    found = []
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in tracked.stdout.splitlines():
        path = ROOT / name
        if name not in EXCLUDED and "vendor/" not in name and path.suffix in SUFFIXES and path.is_file():
            for number, line in enumerate(path.read_text().splitlines(), 1):
                found.append((f"{name}:{number}", line.replace("_", " ") if path.suffix == ".py" else line))
    return found


@pytest.mark.parametrize("phrase", BANNED)
def test_no_text_has_a_banned_phrase(phrase):
    pattern = re.compile(phrase, re.I)
    found = [f"{place}: {line.strip()[:100]}" for place, line in lines() if pattern.search(line)]
    assert not found, f"write: {BANNED[phrase]}\n" + "\n".join(found)
