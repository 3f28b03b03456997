# Checks the tool's Python: its version, whether packages of additional layers can be imported, and whether it reaches
# AWS.
import importlib
import importlib.metadata
import os
import sys
import time

import alarmtriage_tool
from botocore.config import Config

IMPORT_TIME = 5     # seconds for importing packages; the rest is not tried
MAX_BROKEN = 10     # broken packages that are reported

layer = os.path.dirname(os.path.dirname(os.path.abspath(alarmtriage_tool.__file__)))


def modules(package):
    listed = (package.read_text("top_level.txt") or "").split()
    files = [file.parts[0].removesuffix(".py") for file in package.files or [] if file.suffix == ".py"]
    return sorted({name for name in listed or files if name.isidentifier() and not name.startswith("_")})


def problem(package):
    """Returns why no module of a package can be imported, or None if one can or the package has none."""
    found = None
    for name in modules(package):
        try:
            importlib.import_module(name)
            return None
        except (Exception, SystemExit) as error:
            found = found or "%s: %s" % (type(error).__name__, str(error)[:200])
    return found


def packages():
    broken, tried, stop = {}, 0, time.monotonic() + IMPORT_TIME
    folders = [path for path in sys.path if path == layer or path.startswith(layer + os.sep)]
    for package in importlib.metadata.distributions(path=folders):
        if time.monotonic() > stop or len(broken) == MAX_BROKEN:
            break
        tried += 1
        why = problem(package)
        if why:
            broken[package.metadata["Name"]] = why
    return broken, tried


def reach():
    """Returns why CloudWatch, which each investigation reads first, cannot be read, or "" if it can."""
    try:
        patient = Config(connect_timeout=3, read_timeout=5, retries={"max_attempts": 2, "mode": "standard"})
        boto3.client("cloudwatch", config=patient).describe_alarms(MaxRecords=1)
        return ""
    except Exception as error:
        return "%s: %s" % (type(error).__name__, str(error)[:300])


unreachable = reach()
broken, tried = packages()
result = {"python": sys.version.split()[0], "boto3": boto3.__version__, "unreachable": unreachable, "broken": broken, "packages": tried}
