# Checks the tool's Python: its version, whether packages of additional layers can be imported, and whether it reaches
# AWS.
import importlib
import importlib.metadata
import os
import pkgutil
import sys
import time

import alarmtriage_tool
from botocore.config import Config

IMPORT_TIME = 5     # seconds for importing packages; the rest is not tried
MAX_BROKEN = 10     # broken packages that are reported

layer = os.path.dirname(os.path.dirname(os.path.abspath(alarmtriage_tool.__file__)))


def modules(package):
    """Returns the names of a package's modules, those in its metadata and those of its files."""
    listed = (package.read_text("top_level.txt") or "").split()
    return listed, [file.parts[0].split(".")[0] for file in package.files or []
                    if file.suffix == ".py" or file.suffix == ".so" and len(file.parts) == 1]


def problem(names):
    """Returns why no module of a package can be imported, or None if one can or the package has none."""
    found = None
    for name in sorted({name for name in names if name.isidentifier() and not name.startswith("_")}):
        try:
            importlib.import_module(name)
            return None
        except (Exception, SystemExit) as error:
            found = found or "%s: %s" % (type(error).__name__, str(error)[:200])
    return found


def copied(folders, installed):
    """Returns the names of modules without metadata, which were copied into a layer."""
    names = sorted({module.name for module in pkgutil.iter_modules(folders)} - installed)
    return [name for name in names if not name.startswith(("_", "alarmtriage_"))]


def packages():
    broken, tried, stop = {}, 0, time.monotonic() + IMPORT_TIME
    folders = [path for path in sys.path if path == layer or path.startswith(layer + os.sep)]
    named, installed = [], set()
    for package in importlib.metadata.distributions(path=folders):
        listed, files = modules(package)
        installed.update(listed, files)
        named.append((package.metadata["Name"], listed or files))
    found = [(name, [name]) for name in copied(folders, installed)] + named
    for name, names in found:
        if time.monotonic() > stop or len(broken) == MAX_BROKEN:
            break
        tried += 1
        why = problem(names)
        if why:
            broken[name] = why
    return broken, tried, len(found) - tried


def reach():
    """Returns why CloudWatch, which each investigation reads first, cannot be read, or "" if it can."""
    try:
        patient = Config(connect_timeout=3, read_timeout=5, retries={"max_attempts": 2, "mode": "standard"})
        boto3.client("cloudwatch", config=patient).describe_alarms(MaxRecords=1)
        return ""
    except Exception as error:
        return "%s: %s" % (type(error).__name__, str(error)[:300])


unreachable = reach()
broken, tried, untried = packages()
result = {"python": sys.version.split()[0], "boto3": boto3.__version__, "unreachable": unreachable, "broken": broken, "packages": tried,
          "untried": untried}
