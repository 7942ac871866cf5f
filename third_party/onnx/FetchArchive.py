"""Downloads one file of a package from the index that pip is configured for.

`pip download` of a source archive builds its metadata first, which takes minutes
for a package with C++ in it; this fetches the file alone and verifies it.

usage: FetchArchive.py PACKAGE FILE SHA256 OUT
"""

import hashlib
import html.parser
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request


class Links(html.parser.HTMLParser):
    """Collects the target of every link of a page."""

    def __init__(self):
        super().__init__()
        self.targets = []

    def handle_starttag(self, tag, attrs):
        target = dict(attrs).get("href")
        if tag == "a" and target:
            self.targets.append(target)


def pip_setting(name):
    """The words of one of pip's settings, from its environment and its files."""
    value = os.environ.get("PIP_" + name.upper().replace("-", "_"))
    if value is None:
        for section in ("global", "install", "download"):
            result = subprocess.run(
                [sys.executable, "-m", "pip", "config", "get", f"{section}.{name}"],
                capture_output=True, text=True, check=False)
            if result.returncode == 0:
                value = result.stdout
                break
    return (value or "").split()


def default_index():
    """The index that pip uses when nothing is configured."""
    from pip._internal.models.index import PyPI  # pylint: disable=import-outside-toplevel

    return PyPI.simple_url


def candidates(package, file_name):
    """Every address at which the configured places offer the file."""
    for place in pip_setting("find-links"):
        if (pathlib.Path(place) / file_name).is_file():
            yield (pathlib.Path(place) / file_name).resolve().as_uri()
    for index in (pip_setting("index-url") or [default_index()]) + pip_setting("extra-index-url"):
        page = f"{index.rstrip('/')}/{package}/"
        try:
            address = page + "index.html" if page.startswith("file:") else page
            with urllib.request.urlopen(address, timeout=60) as answer:
                page = answer.geturl()
                links = Links()
                links.feed(answer.read().decode("utf-8", "replace"))
        except OSError as error:
            print(f"{index}: {error}", file=sys.stderr)
            continue
        for target in links.targets:
            target = urllib.parse.urldefrag(urllib.parse.urljoin(page, target)).url
            if urllib.parse.unquote(target.rsplit("/", 1)[-1]) == file_name:
                yield target


def main():
    package, file_name, expected, out = sys.argv[1:]
    out = pathlib.Path(out)
    if out.is_file() and hashlib.sha256(out.read_bytes()).hexdigest() == expected:
        return 0
    out.parent.mkdir(parents=True, exist_ok=True)
    for address in candidates(package, file_name):
        try:
            with urllib.request.urlopen(address, timeout=180) as answer:
                content = answer.read()
        except OSError as error:
            print(f"{file_name}: {error}", file=sys.stderr)
            continue
        actual = hashlib.sha256(content).hexdigest()
        if actual != expected:
            print(f"{file_name}: expected SHA-256 {expected}, got {actual}", file=sys.stderr)
            continue
        with tempfile.NamedTemporaryFile(dir=out.parent, delete=False) as part:
            part.write(content)
        os.replace(part.name, out)
        return 0
    print(f"{file_name}: found in none of pip's indexes", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
