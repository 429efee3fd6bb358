"""What a peer needs, in a folder of its own below target/peers/: only what is missing."""

import re
import shutil
import sys

from driver.processes import Failed, run


def install(source, target):
    """Installs what `source` asks for into `target`; returns the words that run its program, and the versions."""
    log = target.with_suffix(".install.log")
    if (source / "package.json").exists():
        return node(source, target, log)
    return python(source, target, log)


def python(source, target, log):
    wanted = (source / "requirements.txt").read_text()

    def fill():
        run([sys.executable, "-m", "venv", str(target)], log)
        pip = [str(target / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--requirement", str(source / "requirements.txt")], log)

    once(target, log, wanted, fill)
    versions = dict(re.findall(r"^([\w-]+)(?:\[.*\])?==(\S+)", wanted, re.MULTILINE))
    return [str(target / "bin/python"), str(source / "bench.py")], versions


def node(source, target, log):
    if shutil.which("npm") is None:
        raise Failed("there is no npm: install Node.js 20 or later")
    wanted = (source / "package.json").read_text()

    def fill():
        target.mkdir()
        shutil.copy(source / "package.json", target)
        # Scripts of packages are not run: one of them would report the installation to somebody.
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel", "error"]
        run(["npm", "install", *quiet], log, cwd=target)

    once(target, log, wanted, fill)
    # Node looks for packages beside the program.
    for program in source.glob("*.js"):
        shutil.copy(program, target)
    versions = dict(re.findall(r'"(?:@\w+/)?([\w-]+)": "(\d[^"]*)"', wanted))
    return ["node", str(target / "bench.js")], versions


def once(target, log, wanted, fill):
    """Fills a folder unless it is whole and holds what is wanted."""
    whole = target / "whole"
    if whole.exists() and whole.read_text() == wanted:
        return
    print(f"installing {target.name}", file=sys.stderr)
    shutil.rmtree(target, ignore_errors=True)
    log.unlink(missing_ok=True)
    fill()
    whole.write_text(wanted)
