package sandbox

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// behaviors are the features that models may rely on.
var behaviors = []struct {
	name   string
	code   string
	result string // JSON; empty: null
	stdout string
	note   string // contained in one of the notes
	kind   string // ErrorType; empty: success
	output string // contained in the output
}{
	{name: "the value of a last expression is the result", code: "x = 20\nx + 1", result: "21", output: "21"},
	{name: "result takes precedence over the last expression", code: "result = 1\n2", result: "1"},
	{name: "printing returns no result", code: "print('hello')", stdout: "hello\n", output: "hello"},
	{name: "a string is shown without quotes", code: "'a\\nb'", result: `"a\nb"`, output: "a\nb"},
	{name: "stdout comes before the result", code: "print('first')\nresult = 'second'", result: `"second"`, stdout: "first\n", output: "first\nsecond"},
	{name: "stderr is part of the output", code: "sys.stderr.write('careful\\n')\nresult = None", output: "careful"},
	{name: "output before an error is kept", code: "print('so far')\n1/0", stdout: "so far\n", kind: "ZeroDivisionError", output: "line 2"},
	{name: "a traceback shows only the model's lines", code: "def f(d):\n    return d['k']\nf({})", kind: "KeyError", output: "return d['k']"},
	{name: "a missing name is explained", code: "print(rows)", kind: "NameError", output: "line 1", note: "rows is not defined in this call: variables"},
	{name: "a missing thread is explained", code: "raise RuntimeError(\"can't start new thread\")", kind: "RuntimeError", note: "use fewer"},
	{name: "a code fence is removed", code: "```python\nresult = 1\n```", result: "1", note: "fence"},
	{name: "prose around a fence is removed", code: "Here it is:\n```py\nresult = 2\n```\nDone.", result: "2", note: "fence"},
	{name: "indentation of the whole code is removed", code: "    a = 1\n    result = a", result: "1", note: "indentation"},
	{name: "an empty command is explained", code: " \n", kind: "EmptyCode", output: "no Python code"},
	{name: "a command of only comments is empty", code: "# nothing", kind: "EmptyCode"},
	{name: "a syntax error shows the place", code: "x = (1,\ny = 2", kind: "SyntaxError", output: "line 1"},
	{name: "modules are bound without import", code: "result = [m.__name__ for m in (json, csv, base64, re, string, textwrap, difflib, fnmatch, glob, itertools, functools, operator, copy, ipaddress, hashlib, uuid, math, statistics, random, decimal, fractions, platform, traceback, warnings, enum, dataclasses, typing, gzip, zlib, tarfile, zipfile)][-1]", result: `"zipfile"`},
	{name: "names are bound without import", code: "result = [len(Counter('aab')), StringIO('x').read(), BytesIO(b'y').read().decode(), defaultdict(int)['k'], OrderedDict(), deque([1])[0], ClientError.__name__, Config.__name__, timedelta(hours=1).seconds, urllib.parse.quote('a b')]",
		result: `[2, "x", "y", 0, {}, 1, "ClientError", "Config", 3600, "a%20b"]`},
	{name: "datetime is a module and a class", code: "a = datetime.now(); b = datetime.datetime.now(); c = datetime.timedelta(hours=2)\nresult = [abs((b - a).total_seconds()) < 60, c.seconds, isinstance(a, datetime), isinstance(b, datetime.datetime), datetime.now(datetime.timezone.utc).tzname()]",
		result: `[true, 7200, true, true, "UTC"]`},
	{name: "datetime imported as a module", code: "import datetime as dt\nresult = [dt.datetime(2024, 1, 2).isoformat(), dt.timedelta(days=1).days]", result: `["2024-01-02T00:00:00", 1]`},
	{name: "datetime imported as a class", code: "from datetime import datetime, timedelta, timezone\nresult = (datetime(2024, 1, 2, tzinfo=timezone.utc) - timedelta(days=1)).isoformat()", result: `"2024-01-01T00:00:00+00:00"`},
	{name: "datetime imported as a class under another name", code: "from datetime import datetime as D\nresult = D.strptime('2024', '%Y').year", result: "2024"},
	{name: "a class can derive from datetime", code: "from datetime import datetime\nclass D(datetime):\n    def twice(self): return self.year * 2\nresult = D(2000, 1, 1).twice()", result: "4000"},
	{name: "datetime can be compared by identity", code: "result = type(datetime.now()) is datetime", result: "true"},
	{name: "imports bind the usual names", code: "import json as j, urllib.parse as up\nfrom collections import Counter as C\nfrom botocore.exceptions import ClientError as CE\nimport os.path\nresult = [j.loads('1'), up.quote('/'), len(C('aa')), CE.__name__, os.path.join('a', 'b')]",
		result: `[1, "/", 1, "ClientError", "a/b"]`},
	{name: "an import in a function works", code: "def f():\n    import datetime\n    from math import pi\n    return [datetime.timedelta(1).days, round(pi)]\nresult = f()", result: "[1, 3]"},
	{name: "star imports and future imports work", code: "from __future__ import annotations\nfrom math import *\nresult = round(pi)", result: "3"},
	{name: "line numbers are those of the model's code", code: "import json\nimport numpy\n\n\nraise ValueError('here')", kind: "ValueError", output: "line 5"},
	{name: "values that JSON cannot express are converted", code: "result = {'when': datetime(2024, 1, 2), 'd': Decimal('1.5'), 's': {2, 1}, 'b': b'x', 'o': len}", result: `{"when": "2024-01-02T00:00:00", "d": "1.5", "s": [1, 2], "b": "x", "o": "<built-in function len>"}`},
	{name: "non-ASCII text stays readable", code: "result = {'k': 'über 🚀'}", result: `{"k": "über 🚀"}`, output: "über 🚀"},
	{name: "times without a zone are in UTC", code: "result = [datetime.fromtimestamp(0).isoformat(), datetime(1970, 1, 1).timestamp(), time.tzname[0]]", result: `["1970-01-01T00:00:00", 0, "UTC"]`},
	{name: "dataclasses and pickling work", code: "import pickle\n@dataclass\nclass P:\n    x: int\nresult = pickle.loads(pickle.dumps(P(3))).x", result: "3"},
	{name: "threads work", code: "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(16) as pool:\n    result = sum(pool.map(lambda n: n * n, range(10)))", result: "285"},
	{name: "a call waits for its threads", code: "import threading\nrows = []\ndef read(left):\n    time.sleep(0.05)\n    print('read', left)\n    rows.append(left)\n    if left: threading.Thread(target=read, args=(left - 1,)).start()\nread_all = threading.Thread(target=read, args=(2,)); read_all.start()\nresult = rows", result: "[2, 1, 0]", stdout: "read 2\nread 1\nread 0\n"},
	{name: "a call waits for its timers", code: "import threading\nthreading.Timer(0.05, print, ['late']).start()", stdout: "late\n"},
	{name: "a call waits for its threads after exit", code: "import threading\nthreading.Timer(0.05, print, ['late']).start()\nexit()", stdout: "late\n"},
	{name: "a call does not wait for daemons", code: "import threading\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\nresult = 1", result: "1"},
	{name: "files can be written and read", code: "open('f.csv', 'w').write('a,b\\n1,2\\n')\nresult = list(csv.DictReader(open('f.csv')))", result: `[{"a": "1", "b": "2"}]`},
	{name: "files can be moved between directories", code: "import shutil\nfor d in ('a/b', 'c', 'd'): os.makedirs(d)\nfor f in ('a/f', 'a/b/g'): open(f, 'w').write(f)\nos.rename('a/f', 'c/f'); os.replace('a/b', 'c/b'); shutil.move('c/b', 'd'); os.link('c/f', 'd/h')\nresult = [open(f).read() for f in ('c/f', 'd/b/g', 'd/h')] + os.listdir('a')",
		result: `["a/f", "a/b/g", "a/f"]`},
	{name: "asyncio works", code: "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 7\nresult = asyncio.run(f())", result: "7"},
	{name: "clients can be created", code: "c = boto3.client('logs')\nresult = [c.meta.region_name, boto3.Session().region_name, boto3.resource('s3').meta.service_name]", result: `["eu-west-1", "eu-west-1", "s3"]`},
	{name: "the main guard of scripts works", code: "if __name__ == '__main__':\n    result = 'ran'", result: `"ran"`},
	{name: "a closing fence can follow the code", code: "```python\nresult = 1```", result: "1", note: "fence"},
	{name: "line numbers count the lines before a fence", code: "Here it is:\n\n```python\nx = 1\n1/0\n```", kind: "ZeroDivisionError", output: "line 5", note: "fence"},
	{name: "line numbers count blank lines before indented code", code: "\n\n    x = 1\n    1/0", kind: "ZeroDivisionError", output: "line 4", note: "indentation"},
	{name: "a traceback shows the line of an error behind other line breaks", code: "x = 'a\u2028b'\ny = 'c\x0cd'\n1/0 # here", kind: "ZeroDivisionError", output: "1/0 # here"},
	{name: "a traceback of a group shows only the model's lines", code: "def f():\n    try: json.loads('{')\n    except Exception as e: return e\nraise ExceptionGroup('many', [f(), ValueError('x')])",
		kind: "ExceptionGroup", output: "    | Traceback (most recent call last):\n    |   File \"<tool>\", line 2, in f"},
	{name: "a traceback of many causes shows only the model's lines", code: "def f(n):\n    try: f(n - 1) if n else json.loads('{')\n    except Exception as e: raise ValueError(n) from e\nf(20)", kind: "ValueError", output: "JSONDecodeError"},
	{name: "a version of a missing module is an error with a list", code: "import pandas\nprint(pandas.__version__)", kind: "ModuleNotFoundError", output: "Available without import", note: "not installed: pandas"},
	{name: "a class of a missing module is an error with a list", code: "from pandas import DataFrame\nisinstance(1, DataFrame)", kind: "ModuleNotFoundError", output: "Available without import", note: "not installed: pandas"},
	{name: "deriving from a missing class is an error with a list", code: "from pandas import DataFrame\nclass X(DataFrame): pass", kind: "ModuleNotFoundError", output: "Available without import", note: "not installed: pandas"},
	{name: "concurrent is bound without import", code: "result = concurrent.futures.wait.__name__", result: `"wait"`},
	{name: "keys with the same text are all shown", code: "result = {1: 'a', '1': 'b'}", result: `{"1": "a", "1 (str)": "b"}`},
	{name: "views and queues are lists", code: "result = [{'a': 1}.keys(), {'a': 1}.items(), deque([1]), range(2)]", result: `[["a"], [["a", 1]], [1], [0, 1]]`},
	{name: "a result that fails after exit is an error of the code", code: "class R:\n    def __repr__(self): raise KeyboardInterrupt\nresult = R()\nexit()", kind: "KeyboardInterrupt", output: "line 2"},
	{name: "the encoding of stdout can be changed", code: "sys.stdout.reconfigure(encoding='utf-8')\nprint('über')", stdout: "über\n"},
	{name: "stderr can be written without a pause", code: "sys.stderr.reconfigure(write_through=True)\nsys.stderr.write('careful')\nresult = 1", result: "1", output: "careful"},
	{name: "stdout can be wrapped", code: "import io\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\nprint('über')", stdout: "über\n"},
	{name: "stdout can be wrapped without its text layer", code: "import codecs\nsys.stdout = codecs.getwriter('utf-8')(sys.stdout.detach())\nprint('über')", stdout: "über\n"},
	{name: "stdout can be opened again", code: "sys.stdout = os.fdopen(1, 'w', closefd=False)\nprint('again')\n1/0", stdout: "again\n", kind: "ZeroDivisionError", output: "line 3"},
	{name: "a wrapped stdout is shown after exit", code: "sys.stdout = io.TextIOWrapper(sys.stdout.buffer)\nprint('so far')\nexit(1)", stdout: "so far\n", kind: "SystemExit"},
	{name: "a stdout without a flush is no error", code: "sys.stdout = None\nsys.stderr = object()\nresult = 1", result: "1"},
	{name: "pprint is a function and a module", code: "pprint({'a': 1})\npprint.pprint([1])", stdout: "{'a': 1}\n[1]\n"},
}

func TestCode_BehavesAsModelsExpect(t *testing.T) {
	for _, python := range pythons(t) {
		t.Run(python.name, func(t *testing.T) {
			w := startWorker(t, python, roleWorker)
			for _, b := range behaviors {
				t.Run(b.name, func(t *testing.T) {
					w.t = t
					answer := w.run(b.code, 20)
					require.Equal(t, b.kind, answer.ErrorType, answer.Output)
					assert.Equal(t, b.kind == "", answer.Success)
					want := b.result
					if want == "" {
						want = "null"
					}
					assert.JSONEq(t, want, string(answer.Result))
					assert.Equal(t, b.stdout, answer.Stdout)
					assert.Contains(t, answer.Output, b.output)
					assert.Contains(t, strings.Join(answer.Notes, "\n"), b.note)
					assert.NotContains(t, answer.Output, "runner.py")
					assert.NotContains(t, answer.Output, "decoder.py")
					assert.Positive(t, answer.ExecutionTime)
				})
			}
			w.t = t
		})
	}
}
