"""Prints what this interpreter is, as JSON: its binary, the packages that the sandbox needs, and the files that it reads.

It runs outside the sandbox, so it only looks for the packages: it imports none of them.
"""

import glob
import importlib.machinery
import importlib.util
import json
import os
import ssl  # noqa: F401  # its libraries are loaded then
import sys
import sysconfig


SYSTEM = ("/lib", "/usr/lib", "/usr/local/lib", "/nix/store/")  # which the sandbox can read anyway
PACKAGES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")


def variable(name: str) -> "list[str]":
    """Returns the paths in a variable of the environment."""
    return [path for path in os.environ.get(name, "").split(os.pathsep) if path]


def holds(path: str, private: "list[str]") -> bool:
    """Reports whether a directory is one that the code must not read, or contains one."""
    path = os.path.realpath(path)
    return any(os.path.commonpath([path, other]) == path for other in map(os.path.realpath, private))


def locate(name: str, search: "list[str]") -> str:
    """Returns the directory or the file of a package, or an empty string. It looks in some directories first.

    A link to something with another name is not the package, such as a six.py that is a file with credentials.
    """
    for find in (lambda: importlib.machinery.PathFinder.find_spec(name, search), lambda: importlib.util.find_spec(name)):
        spec = find()
        if spec is None or not spec.origin or not os.path.isfile(spec.origin):
            continue
        path = os.path.abspath(os.path.dirname(spec.origin) if spec.submodule_search_locations else spec.origin)
        if all(os.path.basename(os.path.realpath(p)) == os.path.basename(p) for p in (path, spec.origin)):
            return path
    return ""


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
    private = variable("ALARMTRIAGE_PRIVATE")
    packages = {name: locate(name, variable("ALARMTRIAGE_PACKAGES")) for name in PACKAGES}
    for name, path in packages.items():
        if not path or holds(path, private):
            found["problem"] = "has no module %s" % name if not path else "has the module %s in %s, where your own files are" % (name, path)
            return found
    found["packages"] = list(packages.values())
    found["interpreter"] = os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)
    paths = sysconfig.get_paths()
    own = [found["interpreter"], paths["stdlib"], paths["platstdlib"]]
    own += glob.glob(os.path.join(sysconfig.get_config_var("LIBDIR") or "/nonexistent", "libpython*"))
    shared = os.path.join(sys.base_prefix, "lib")  # a distribution such as conda has its libraries there
    if not holds(shared, private):
        own.append(shared)
    own += loaded()
    found["readable"] = list(dict.fromkeys(own))
    return found


print(json.dumps(describe()))
