"""Judges installed configurations without a line of the program: Python's own TOML reader, and stat.

usage: judgeConfigurations.py ROOT [PREFIX]
Prints one JSON object: what the engine's file names (name -> configuration), and for each handler below
/etc/kata-sysext/current/config what was checked, what is wrong, and which files of the host it names.
PREFIX: what the payload's paths begin with on the host, as a regular expression.
"""

import glob
import json
import os
import re
import stat
import sys
import tomllib

ROOT = sys.argv[1]
PAYLOAD = re.compile(sys.argv[2] if len(sys.argv) > 2 else r"^(/usr/local/libexec|/var/lib)/kata-sysext/tree/[0-9a-f]{64}/")
PROGRAMS = {"path", "ctlpath", "virtio_fs_daemon", "jailer_path", "valid_hypervisor_paths", "valid_ctlpaths",
            "valid_virtio_fs_daemon_paths", "valid_jailer_paths"}
HOST_FILES = {"path", "kernel", "image", "initrd", "firmware", "firmware_volume", "virtio_fs_daemon", "jailer_path"}


def inside(path, depth=0):
    """Follows links as the kernel would if ROOT were /."""
    at = []
    pending = [part for part in path.split("/") if part]
    while pending:
        part = pending.pop(0)
        if part == ".":
            continue
        if part == "..":
            at = at[:-1]
            continue
        here = os.path.join(ROOT, *at, part)
        if os.path.islink(here):
            depth += 1
            if depth > 40:
                raise OSError("a circle of links: " + path)
            target = os.readlink(here)
            if target.startswith("/"):
                at = []
            pending = [each for each in target.split("/") if each] + pending
            continue
        at.append(part)
    return os.path.join(ROOT, *at)


def strings(value, keys=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from strings(inner, keys + (key,))
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner, keys)
    elif isinstance(value, str):
        yield keys, value


def fault(path, program):
    try:
        seen = os.lstat(inside(path))
    except OSError as error:
        return str(error)
    if not stat.S_ISREG(seen.st_mode):
        return "no regular file"
    if seen.st_size == 0:
        return "empty"
    if program and seen.st_mode & 0o111 != 0o111:
        return "not executable"
    return None


def configuration(path):
    with open(path, "rb") as file:
        document = tomllib.load(file)
    checked, problems, host = 0, [], []
    for keys, value in strings(document):
        key = keys[-1]
        if "/opt/kata" in value:
            problems.append(f"{'.'.join(keys)} names /opt/kata: {value}")
        if PAYLOAD.match(value) and not re.search(r"[*?\[]", value):
            checked += 1
            # A guest extension image also has a key called path.
            why = fault(value, key in PROGRAMS and len(keys) == 3)
            if why:
                problems.append(f"{'.'.join(keys)} = {value}: {why}")
        elif keys[0] == "hypervisor" and key in HOST_FILES and value.startswith("/"):
            host.append(value)
    return {"checked": checked, "problems": problems, "host": host}


def engine():
    """Name -> (shim, configuration) of whatever tables lead to ours."""
    with open(inside("/etc/containerd/config.toml"), "rb") as file:
        document = tomllib.load(file)
    found, problems = {}, []
    for plugin in document.get("plugins", {}).values():
        for name, table in plugin.get("containerd", {}).get("runtimes", {}).items():
            text = table.get("options", {}).get("ConfigPath")
            if text is None:
                continue
            found[name] = text
            for path, program in ((table["runtime_path"], True), (text, False)):
                why = fault(path, program)
                if why:
                    problems.append(f"{name}: {path}: {why}")
    return found, problems


handlers = {}
for path in sorted(glob.glob(os.path.join(inside("/etc/kata-sysext/current"), "config", "*", "configuration.toml"))):
    handlers[os.path.basename(os.path.dirname(path))] = configuration(path)
offered, faults = engine()
print(json.dumps({"offered": offered, "problems": faults, "handlers": handlers}))
