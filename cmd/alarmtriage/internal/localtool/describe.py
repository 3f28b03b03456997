"""Prints what this interpreter is, as JSON: its binary, the directories of boto3, and the files that it reads."""

import glob
import json
import os
import ssl  # noqa: F401  # its libraries are loaded then
import sys
import sysconfig


SYSTEM = ("/usr/", "/lib", "/bin/", "/nix/store/")  # which the sandbox can read anyway


def loaded() -> "list[str]":
    """Returns the shared libraries of this process, which can be anywhere, such as in Homebrew's folders."""
    try:
        with open("/proc/self/maps") as maps:
            paths = {line.split(None, 5)[5].strip() for line in maps if ".so" in line}
    except (OSError, IndexError):
        return []
    return sorted(path for path in paths if path.startswith("/") and not path.startswith(SYSTEM) and os.path.exists(path))


def describe() -> "dict[str, object]":
    found = {"version": "%d.%d" % sys.version_info[:2], "problem": ""}
    if sys.version_info < (3, 11):
        found["problem"] = "is Python %s, and 3.11 or newer is needed" % found["version"]
        return found
    try:
        import boto3, botocore, dateutil, jmespath, s3transfer, six, urllib3
    except ImportError as problem:
        found["problem"] = "has no module %s" % (problem.name or "boto3")
        return found
    packages = (boto3, botocore, dateutil, jmespath, s3transfer, urllib3)
    search = [os.path.dirname(os.path.dirname(m.__file__)) for m in packages] + [os.path.dirname(six.__file__)]
    found["search"] = list(dict.fromkeys(search))
    found["interpreter"] = os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)
    paths = sysconfig.get_paths()
    own = [found["interpreter"], paths["stdlib"], paths["platstdlib"]]
    own += glob.glob(os.path.join(sysconfig.get_config_var("LIBDIR") or "/nonexistent", "libpython*"))
    shared = os.path.join(sys.base_prefix, "lib")  # a distribution such as conda has its libraries there
    home = os.path.realpath(os.path.expanduser("~"))
    if os.path.commonpath([home, os.path.realpath(shared)]) != os.path.realpath(shared):
        own.append(shared)
    own += loaded()
    found["readable"] = list(dict.fromkeys(own + found["search"]))
    return found


print(json.dumps(describe()))
