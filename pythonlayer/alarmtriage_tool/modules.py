"""The names that the code of a call may use without import, and placeholders for modules that are missing."""

import importlib
import importlib.machinery
import importlib.util
import sys
import threading
import types
from typing import Any, Callable, Dict, List, NoReturn, Optional, Tuple

from . import dates

# Modules bound under their own names. A module that nothing else has imported is executed on first use, or by
# load_rest.
MODULES: Tuple[str, ...] = (
    "boto3", "botocore", "json", "csv", "base64", "time", "re", "string", "textwrap", "difflib",
    "fnmatch", "glob", "collections", "itertools", "functools", "operator", "copy", "ipaddress",
    "hashlib", "hmac", "urllib", "urllib.parse", "uuid", "math", "statistics", "random", "decimal",
    "fractions", "os", "sys", "platform", "traceback", "warnings", "pprint", "enum", "dataclasses",
    "typing", "io", "gzip", "zlib", "bz2", "tarfile", "zipfile", "calendar", "bisect", "heapq",
    "struct", "zoneinfo", "contextlib", "html", "shlex", "types", "concurrent.futures",
)

# Names bound from inside a module.
NAMES: Tuple[Tuple[str, str], ...] = (
    ("datetime", "timedelta"), ("datetime", "timezone"),
    ("collections", "Counter"), ("collections", "defaultdict"), ("collections", "OrderedDict"),
    ("collections", "deque"), ("collections", "namedtuple"), ("collections", "ChainMap"),
    ("io", "StringIO"), ("io", "BytesIO"),
    ("decimal", "Decimal"), ("fractions", "Fraction"), ("enum", "Enum"),
    ("dataclasses", "dataclass"), ("dataclasses", "field"), ("dataclasses", "asdict"),
    ("functools", "lru_cache"), ("functools", "partial"), ("functools", "reduce"),
    ("pprint", "pformat"),
    ("typing", "Any"), ("typing", "Dict"), ("typing", "List"), ("typing", "Optional"),
    ("typing", "Tuple"), ("typing", "Set"), ("typing", "Union"),
    ("concurrent.futures", "ThreadPoolExecutor"), ("concurrent.futures", "as_completed"),
    ("botocore.exceptions", "ClientError"), ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "NoCredentialsError"), ("botocore.exceptions", "EndpointConnectionError"),
    ("botocore.exceptions", "ParamValidationError"), ("botocore.exceptions", "WaiterError"),
    ("botocore.config", "Config"),
)

# Imported by load_rest but not bound: models use them, or libraries import them late.
WARM: Tuple[str, ...] = (
    "ast", "threading", "queue", "logging", "locale", "inspect", "tempfile", "pickle", "secrets",
    "xml.etree.ElementTree", "urllib.request", "urllib.error", "encodings.idna", "abc", "numbers",
    "email.utils", "socket", "select", "signal", "unicodedata", "botocore.exceptions",
)

# Functions of this package that are bound under their own names, with their modules. They read what takes several calls,
# or what boto3 lacks. Their modules are imported on first use, or by load_rest.
FUNCTIONS: Tuple[Tuple[str, str], ...] = (
    ("cloudwatch", "promql"), ("cloudwatch", "describe_log_alarms"), ("logs", "log_patterns"), ("queries", "logs_query"),
    ("queries", "metric"), ("trail", "changes"), ("place", "session"),
)


def load() -> Dict[str, Any]:
    """Returns the initial namespace of a call."""
    bound: Dict[str, Any] = {}
    for module_name, name in NAMES:
        bound[name] = getattr(importlib.import_module(module_name), name)
    for name in MODULES:
        if "." in name:
            importlib.import_module(name)
            bound[name.partition(".")[0]] = sys.modules[name.partition(".")[0]]
        else:
            bound[name] = _lazy_module(name)
    bound["datetime"] = dates.Datetime
    bound["pprint"] = PPrint(bound["pprint"])
    for module_name, name in FUNCTIONS:
        bound[name] = _LateFunction(module_name, name)
    return bound


def load_rest() -> None:
    """Executes and imports the modules that `load` deferred."""
    for name in MODULES:
        sys.modules[name].__name__  # noqa: B018  the first attribute access executes a lazy module
    for name in WARM:
        importlib.import_module(name)
    for name, _ in FUNCTIONS:
        importlib.import_module(f"{__package__}.{name}")


class _LateFunction:
    # A function whose module is imported when it is called, or when its description is read. The docstring is that of the function.
    # For help(), which shows parameters of functions only, it is an instance of their class.

    def __init__(self, module_name: str, name: str) -> None:
        self._module, self.__name__, self.__qualname__ = module_name, name, name

    def _function(self) -> Callable[..., Any]:
        return getattr(importlib.import_module(f"{__package__}.{self._module}"), self.__name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function()(*args, **kwargs)

    @property
    def __doc__(self) -> Optional[str]:  # type: ignore[override]
        return self._function().__doc__

    @property
    def __signature__(self) -> Any:
        import inspect

        return inspect.signature(self._function())

    @property
    def __class__(self) -> Any:
        return types.FunctionType

    @property
    def __code__(self) -> Any:
        return self._function().__code__

    def __repr__(self) -> str:
        return repr(self._function())


def _lazy_module(name: str) -> types.ModuleType:
    """Returns a module that is executed on first use if it is a standard module written in Python."""
    spec = importlib.util.find_spec(name)
    own = name in sys.stdlib_module_names and name not in sys.modules
    if spec is None or not own or not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
        return importlib.import_module(name)
    module = importlib.util.module_from_spec(spec)
    module.__dict__[_PENDING] = (spec.loader, threading.RLock())
    module.__class__ = _LazyModule
    sys.modules[name] = module
    return module


_PENDING = "__alarmtriage_pending__"
_RUNNING = "__alarmtriage_running__"


class _LazyModule(types.ModuleType):
    """A module that is executed on first use. Other threads wait for that, unlike with the LazyLoader of Python 3.11."""

    def __getattribute__(self, attribute: str) -> Any:
        namespace = object.__getattribute__(self, "__dict__")
        pending = namespace.get(_PENDING)
        if pending is not None:
            loader, lock = pending
            with lock:
                if _PENDING in namespace:
                    _execute(self, namespace, loader, lock)
        elif (running := namespace.get(_RUNNING)) is not None:
            with running:
                pass
        return object.__getattribute__(self, attribute)


def _execute(module: _LazyModule, namespace: Dict[str, Any], loader: Any, lock: Any) -> None:
    """Executes a lazy module, which its own code can use meanwhile."""
    namespace[_RUNNING] = lock
    pending = namespace.pop(_PENDING)
    try:
        loader.exec_module(module)
        module.__class__ = types.ModuleType  # type: ignore[assignment]
    except BaseException:
        namespace[_PENDING] = pending
        raise
    finally:
        del namespace[_RUNNING]


class PPrint(types.ModuleType):
    """Allows both spellings that models use: `pprint(x)` and `pprint.pprint(x)`."""

    def __init__(self, module: types.ModuleType) -> None:
        super().__init__("pprint", module.__doc__)
        self.__dict__.update({k: v for k, v in vars(module).items() if k not in ("__name__", "__doc__")})

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        self.__dict__["pprint"](*args, **kwargs)


def installed(name: str) -> bool:
    """Reports whether the top-level module of a dotted name can be imported."""
    top = name.partition(".")[0]
    if top in sys.modules:
        return True
    try:
        return importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return False


class Missing:
    """A placeholder for a module that is not installed. It raises an error when it is used."""

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def _fail(self) -> NoReturn:
        name = self.__dict__["_name"]
        raise ModuleNotFoundError(unavailable(name), name=name)

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__") and attribute.endswith("__") and attribute != "__version__":
            raise AttributeError(attribute)
        self._fail()

    def __repr__(self) -> str:
        return f"<module {self.__dict__['_name']!r}, which is not installed>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._fail()

    def __getitem__(self, key: Any) -> Any:
        self._fail()

    def __iter__(self) -> Any:
        self._fail()

    def _use(self, *args: Any, **kwargs: Any) -> Any:
        self._fail()

    __len__ = __enter__ = __exit__ = __aenter__ = __aexit__ = __await__ = __setitem__ = __mro_entries__ = _use
    __instancecheck__ = __subclasscheck__ = __lt__ = __le__ = __gt__ = __ge__ = __neg__ = __or__ = __ror__ = __and__ = _use
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __mod__ = __matmul__ = _use


def import_late(name: str, bind: str = "", attribute: str = "") -> Any:
    """Imports a module that was not found before the code ran, or returns a placeholder.

    The value is the one that the import statement would bind: the attribute, the module itself if it has
    another name, or else the module before the first dot. A placeholder has no names for the attribute "*", which is an error.
    """
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError:
        if attribute == "*":
            raise ModuleNotFoundError(unavailable(name), name=name) from None
        return Missing(name)
    if attribute and attribute != "*":
        return getattr(module, attribute)
    return module if bind else sys.modules[name.partition(".")[0]]


def unavailable(name: str) -> str:
    """Returns the error text for a module that is not installed."""
    return (
        f"module {name!r} is not installed in this sandbox. Rewrite the code without it. "
        f"Available without import: {', '.join(available())}. The rest of Python's standard library can be imported."
    )


def available() -> List[str]:
    """Returns the names of the modules that a call may use without import."""
    return sorted({name.partition(".")[0] for name in MODULES} | {"datetime"})
