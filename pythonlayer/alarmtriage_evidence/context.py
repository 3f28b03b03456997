"""What all parts of the collection share: the alarm, clients, the time limit, and the list of what was not seen."""

import re
import threading
import time
from concurrent.futures import Future
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from alarmtriage_tool import place, queries
from alarmtriage_tool.trail import stamp
from alarmtriage_tool.words import beginning

__all__ = ["Context", "Metric", "Observation", "Onset", "figure", "metrics_of", "number", "rounded", "stamp"]

_HOMES = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1", "aws-eusc": "eusc-de-east-1"}  # by partition
BEFORE = timedelta(hours=3)  # period before the alarm that is searched for changes
AROUND = timedelta(minutes=30)  # period before and after the transition whose log lines and numbers are compared
MAX_ONSET = timedelta(hours=24)  # an onset that is longer before the transition is not searched around
LATE = timedelta(minutes=5)  # metrics of AWS services arrive up to this much later
SERIES_SECONDS = 6.0  # time to wait for the alarm's own series, which says when the onset was
MAX_NOTES = 40  # lines about what was not seen
MAX_NOTE = 500  # characters of such a line
# Order of these lines: parts that failed, other lines, and lines of which there can be several for each resource.
FAILED, PARTLY, DETAIL = range(3)
CONNECTIONS = 4  # at the same time to one service; the broker allows 64 in all

_RATE = re.compile(r"\s*rate\s*\(\s*(\d{1,6})\s+(minute|hour|day)s?\s*\)")  # the schedule of a log alarm's query
_UNITS = {"minute": 60, "hour": 3600, "day": 86_400}  # in seconds

# The member of an answer that continues a listing, and the parameter that takes it.
_TOKENS = (("NextToken", "NextToken"), ("nextToken", "nextToken"), ("NextMarker", "Marker"), ("Marker", "Marker"),
           ("NextPageToken", "NextPageToken"), ("position", "position"), ("NextContinuationToken", "ContinuationToken"))


class Metric(NamedTuple):
    """One metric that the alarm evaluates, directly or through metric math or its child alarms."""

    namespace: str
    name: str
    dimensions: Tuple[Tuple[str, str], ...]  # sorted by name
    account: str  # owner of the metric

    def dimension(self, *names: str) -> str:
        """Returns the value of the first of these dimensions that the metric has, or an empty string."""
        values = dict(self.dimensions)
        return next((values[name] for name in names if values.get(name)), "")

    def is_of(self, namespace: str) -> bool:
        """Reports whether the metric is of this namespace of AWS, or a custom one. Other services use the same dimensions for resources of theirs."""
        return self.namespace == namespace or not self.namespace.startswith("AWS/")


class Onset(NamedTuple):
    """When the alarm's condition began, as a series shows it."""

    at: datetime  # start of a period of the series
    period: timedelta  # of the series: it does not show when in this period the condition began


class Observation(NamedTuple):
    """One fact about a resource. It says what was seen, never what caused the alarm.

    `weight` orders observations from 0 to 100: 90 for what changed just before the alarm or cannot work, 70 for what is
    unhealthy, exhausted, or new, 40 for a limit or dependency that an engineer should know, 10 for plain state.
    """

    about: str  # the resource, such as "Lambda function orders"
    topic: str  # one of: change, health, limit, errors, dependency, configuration
    text: str  # one sentence
    weight: int
    time: Optional[datetime] = None  # when it happened, if it did at one moment


class Items(List[Any]):
    """The items of a listing. Only if `is_complete` is true, a look can state what is not among them."""

    def __init__(self, items: Iterable[Any] = (), is_complete: bool = False) -> None:
        super().__init__(items)
        self.is_complete = is_complete


class Context:
    """The state of one collection. Its methods may be called from several threads."""

    def __init__(self, alarm: Mapping[str, Any], now: datetime, seconds: float) -> None:
        self.alarm = alarm
        self.now = now
        self.fired_at = _moment(alarm.get("time"), now)
        self.region: str = alarm["region"]
        self.account: str = alarm.get("account") or ""
        self.own_account: str = alarm.get("own_account") or ""  # the account that the code reads
        self.unreadable = ""  # why the alarm's account, which is a member of the triage, cannot be read
        self._named: Optional[str] = None  # the account that clients name; None: that of the alarm
        here = place.current()
        if here.account != here.own:  # the alarm's account is a member
            self.own_account, self.unreadable = here.account, here.problem
            if here.problem:
                self.own_account = self._named = here.own
        self.deadline = time.monotonic() + seconds
        self.source: Mapping[str, Any] = alarm.get("fallback") or {}  # the alarm's definition, when it has been read
        self.query: Mapping[str, Any] = {}  # that of a log or PromQL alarm, when it is known
        self.metrics: List[Metric] = []  # what the alarm evaluates, when it is known
        self.series: Optional["Future[Any]"] = None  # the read of the alarm's own series, which finds the onset
        self.onsets: List[Onset] = []  # of the alarm's series, when they have been read
        self.onset: Optional[Onset] = None  # the one that `windows` found in the alarm's series
        self.notes: List[str] = []
        self._orders: Dict[str, int] = {}  # of the notes
        self.reads_all = True  # False: what the alarm is about is partly in another account
        self.knows_names = True  # False: events may name the alarm's resources in a way that is not known
        self.changes_from = ""  # start of the period of which all changes were read
        self.step = 60  # seconds of the datapoints that are compared, which `windows` finds: CloudWatch keeps those of a minute for 15 days
        self._windows: Optional[Tuple[datetime, datetime, datetime]] = None
        self._clients: Dict[Tuple[str, str], Any] = {}
        self._pacers: Dict[str, _Pacer] = {}
        self._lock = threading.Lock()
        self._once: Dict[Any, "Future[Any]"] = {}

    @property
    def is_foreign(self) -> bool:
        """Reports whether the alarm belongs to another account than the one that the code reads."""
        return bool(self.account and self.own_account and self.account != self.own_account)

    def no_query(self, what: str) -> LookupError:
        """Returns the error that neither the definition nor the event has what is needed to run the alarm's query."""
        if self.alarm.get("unconfirmed"):
            return LookupError(f"the alarm's definition does not contain {what}, and a query of an event that CloudWatch did not "
                               "confirm is not run")
        return LookupError(f"neither the event nor the alarm's definition contains {what}")

    def remaining(self) -> float:
        """Returns the seconds that are left for the collection."""
        return max(0.0, self.deadline - time.monotonic())

    def client(self, service: str, region: Optional[str] = None) -> Any:
        """Returns a client of the alarm's Region, or of another one. Creating clients is not thread-safe."""
        import boto3
        from botocore.config import Config

        key = (service, region or self.region)
        with self._lock:
            if key not in self._clients:
                patient = Config(connect_timeout=3, read_timeout=8, max_pool_connections=CONNECTIONS,
                                 retries={"max_attempts": 2, "mode": "standard"})
                self._clients[key] = boto3.client(service, region_name=key[1], config=patient, **place.naming(self._named))
            return self._clients[key]

    @property
    def home(self) -> str:
        """The Region that has the events of IAM and other global services."""
        return _HOMES.get(self.alarm.get("partition") or "aws", self.region)

    def arn(self, service: str, resource: str) -> str:
        """Returns the ARN of a resource in the alarm's Region and in the account that the code reads."""
        return f"arn:{self.alarm.get('partition') or 'aws'}:{service}:{self.region}:{self.own_account or self.account}:{resource}"

    def once(self, key: Any, read: Callable[[], Any]) -> Any:
        """Returns what `read` returns. Of several looks that need the same answer, only the first one reads it."""
        with self._lock:
            answer = self._once.get(key)
            first = answer is None
            if answer is None:
                answer = self._once[key] = Future()
        if first:
            try:
                answer.set_result(read())
            except Exception as error:
                answer.set_exception(error)
        return answer.result(timeout=self.remaining() + 1)

    def note(self, text: str, order: int = PARTLY) -> None:
        """Records one line about what was not seen. Each line is recorded once. If there are too many, those of the last order are left out."""
        text = beginning(" ".join(text.split()), MAX_NOTE)
        with self._lock:
            if text not in self.notes:
                self.notes.append(text)
                self._orders[text] = order

    def note_other(self, what: str) -> None:
        """Records something that the alarm is about and that another account has. Nothing of that account is read, nor its changes."""
        self.reads_all = False
        self.note(f"{what}: not read, because this code reads account {self.own_account}")

    def problems(self) -> List[str]:
        """Returns the lines about what was not seen. If there are too many, the last one says how many are left out."""
        with self._lock:
            ranked = sorted(self.notes, key=lambda note: self._orders.get(note, FAILED))
            if len(ranked) <= MAX_NOTES:
                return ranked
            rest = len(ranked) - MAX_NOTES + 1
            return [*ranked[:MAX_NOTES - 1], f"{rest} more lines about what was not seen are left out"]

    def pages(
        self, what: str, call: Callable[..., Mapping[str, Any]], key: str, limit: int, /, most_pages: int = 10, newest_first: str = "", **request: Any
    ) -> Items:
        """Returns the items of a listing, page by page. If it reads less than everything, a note says how much.

        `newest_first` is the member with an item's time in a listing that begins with the newest one. Items that are older
        than the period that is searched for changes are not needed, so the listing ends there.
        """
        found: List[Any] = []

        def is_old(item: Mapping[str, Any]) -> bool:
            when = item.get(newest_first)
            return isinstance(when, datetime) and when < self.fired_at - BEFORE
        for page in range(most_pages):
            try:
                answer = call(**request)
            except Exception as error:
                if page == 0:
                    raise
                self.note(f"{what}: only the first {min(len(found), limit)} were read: {error}")
                return Items(found[:limit])
            found += answer.get(key) or []
            token = next(((parameter, answer[member]) for member, parameter in _TOKENS if answer.get(member)), None)
            if found and newest_first and is_old(found[-1]):
                if len(found) <= limit or is_old(found[limit]):
                    return Items(found[:limit], is_complete=True)
                break
            if token is None:
                if len(found) > limit:
                    self.note(f"{what}: only {limit} of {len(found)} were read")
                return Items(found[:limit], is_complete=len(found) <= limit)
            if len(found) >= limit or request.get(token[0]) == token[1] or self.remaining() < 1:
                break
            request[token[0]] = token[1]
        self.note(f"{what}: only the first {min(len(found), limit)} were read, and there are more")
        return Items(found[:limit])

    def pace(self, region: str) -> None:
        """Waits until CloudTrail allows another lookup: two per second in each Region."""
        with self._lock:
            pacer = self._pacers.setdefault(region, _Pacer(2, 0.5))
        pacer.wait()

    def metric_data(self, what: str, **request: Any) -> Tuple[List[Any], Dict[str, str]]:
        """Returns the results of GetMetricData, and by ID the status of those that are not complete. Its messages are noted."""
        def read(**request: Any) -> Mapping[str, Any]:
            answer = self.client("cloudwatch").get_metric_data(**request)
            for message in [m for one in (answer, *(answer.get("MetricDataResults") or [])) for m in one.get("Messages") or []]:
                self.note(f"{what}: {message.get('Code')}: {message.get('Value')}")
            return answer

        results = self.pages(what, read, "MetricDataResults", 1000, **request)
        last = {(r["Id"], r.get("Label")): r.get("StatusCode") or "Complete" for r in results}  # that of the last page
        return results, {id: status for (id, _), status in last.items() if status != "Complete"}

    def compare(
        self, namespace: str, wanted: Mapping[str, Tuple[str, str]], dimensions: Mapping[str, str], account: str = ""
    ) -> Tuple[Dict[str, Tuple[Optional[float], Optional[float]]], datetime]:
        """Returns numbers before and after the onset, for each name of `wanted`, and the end of the minutes that they cover.

        `wanted` gives a metric and its statistic. Sums and counts are added up, of minimums the lowest value counts, and of all
        other statistics the highest. None means that there is no data, or that not all of it could be read. The periods are those of `windows`, but the second
        ends with the last datapoint of these metrics, because metrics arrive late.
        """
        start, middle, end = self.windows()
        asked = [
            {"Id": f"q{i}", "ReturnData": True, **({"AccountId": account} if account else {}), "MetricStat": {
                "Period": self.step, "Stat": stat, "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": [
                    {"Name": name, "Value": value} for name, value in dimensions.items()]}}}
            for i, (metric, stat) in enumerate(wanted.values())
        ]
        results, states = self.metric_data(f"metrics of {namespace}", MetricDataQueries=asked, StartTime=start, EndTime=end)
        found = {}
        for i, (name, (metric, stat)) in enumerate(wanted.items()):
            if f"q{i}" in states:
                self.note(f"{metric} of {', '.join(dimensions.values())} is incomplete ({states[f'q{i}']})")
                found[name] = (None, None)
                continue
            halves: Tuple[List[float], List[float]] = ([], [])
            for result in results:
                if result["Id"] == f"q{i}":
                    for at, value in zip(result.get("Timestamps", []), result.get("Values", [])):
                        halves[at >= middle].append(value)
            total = sum if stat in ("Sum", "SampleCount") else min if stat == "Minimum" else max
            found[name] = tuple(total(half) if half else None for half in halves)
        minute = timedelta(seconds=self.step)
        times = sorted({at for result in results for at in result.get("Timestamps", [])})
        # A datapoint covers the time to the next one: five minutes of an EC2 instance without detailed monitoring.
        step = min((b - a for a, b in zip(times, times[1:])), default=minute) if namespace == "AWS/EC2" else minute
        covered = self.covered(times[-1] if times else None, min(max(step, minute), LATE))
        return found, covered  # type: ignore[return-value]

    def covered(self, last: Optional[datetime], step: timedelta = timedelta(minutes=1)) -> datetime:
        """Returns the end of the time after the onset that metrics cover whose newest datapoint, of `step`, began at `last`."""
        _, onset, end = self.windows()
        last = last or onset
        due = (self.now - LATE - (step - timedelta(minutes=1))).replace(second=0, microsecond=0)  # datapoints of periods that ended before have arrived
        if last + step < due:  # the resource has stopped, and the minutes without data count
            found = due
        else:  # a datapoint of a period that began before the onset says nothing about the time after it
            found = last + step if last >= onset else onset
        return min(end, max(found, onset))

    def windows(self) -> Tuple[datetime, datetime, datetime]:
        """Returns the start of the period before the onset, the onset, and the end of the period after it.

        Waits for the alarm's own series, which says when the onset was. All looks have the same windows.
        """
        if self._windows is None and self.series is not None:
            try:
                self.series.result(timeout=min(SERIES_SECONDS, self.remaining() / 2))
            except Exception:
                pass  # the collection reports it
        with self._lock:
            if self._windows is None:
                is_read = self.series is None or self.series.done()  # other series may show another onset
                self.onset = min((one for one in self.onsets if is_read and self.fired_at - MAX_ONSET <= one.at <= self.fired_at), default=None)
                onset = self.onset.at if self.onset else self.fired_at - self.evaluation() - self.period()
                onset = max(onset, self.fired_at - MAX_ONSET).replace(second=0, microsecond=0)
                end = min(self.now, self.fired_at + AROUND)
                start = onset - max(AROUND, end - onset)
                self.step = queries.available(60, start.timestamp(), self.now.timestamp())
                if self.step > 60:  # no datapoint covers both periods, and each has one
                    onset, end = self._aligned(onset), self._aligned(end + timedelta(seconds=self.step - 1))
                    start = self._aligned(onset - max(AROUND, end - onset))
                self._windows = start, onset, end
            return self._windows

    def _aligned(self, at: datetime) -> datetime:
        """Returns the start of the datapoint that covers a time."""
        return datetime.fromtimestamp(at.timestamp() // self.step * self.step, timezone.utc)

    def period(self) -> timedelta:
        """Returns the alarm's period, at most 2 hours. That of a log or PromQL alarm is the time between two evaluations of its query."""
        queries = self.source.get("Metrics") or [self.source]
        seconds = max([int((q.get("MetricStat") or q).get("Period") or 60) for q in queries])
        if self.query.get("interval"):
            seconds = self.query["interval"]
        elif self.query.get("start_offset"):
            rate = _RATE.match(str(self.query.get("schedule")))
            seconds = int(rate[1]) * _UNITS[rate[2]] if rate else self.query["start_offset"]
        return timedelta(seconds=min(max(seconds, 1), 7200))

    def evaluation(self) -> timedelta:
        """Returns how long the alarm evaluates before it fires, at most 4 hours.

        This is its period times its evaluation periods. A PromQL alarm waits for its pending period. A log alarm evaluates several
        results of its query, the first of which begins earlier than its execution.
        """
        if self.query.get("interval"):
            found = timedelta(seconds=min(max(self.query.get("pending") or 0, 0), 14_400))
        elif self.query.get("start_offset"):
            results = min(int(self.source.get("QueryResultsToEvaluate") or 1), 240)
            found = self.period() * (results - 1) + timedelta(seconds=min(max(self.query["start_offset"], 0), 14_400))
        else:
            found = self.period() * int(self.source.get("EvaluationPeriods") or 5)
        return min(found, timedelta(hours=4))


def _moment(seconds: Any, now: datetime) -> datetime:
    """Returns the time of the transition. A time that nobody can search around is replaced by the present one."""
    return datetime.fromtimestamp(seconds, timezone.utc) if number(seconds) and 1e8 < seconds < 1e10 else now


class _Pacer:
    """Allows `burst` calls at once and then one every `interval` seconds."""

    def __init__(self, burst: int, interval: float) -> None:
        self._interval, self._burst = interval, burst
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now - self._interval * (self._burst - 1))
            pause = self._next - now
            self._next += self._interval
        if pause > 0:
            time.sleep(pause)


def figure(value: float) -> str:
    """Returns a number for people: from 1,000 on without decimals, and never as a power of ten."""
    return f"{value:.0f}" if abs(value) >= 1000 else rounded(value, 4)


def rounded(value: float, digits: int) -> str:
    """Returns a number with this many significant digits. If that would be a power of ten, it has up to 8 decimals."""
    text = f"{value:.{digits}g}"
    return f"{value:.8f}".rstrip("0").rstrip(".") if "e" in text else text


def number(value: Any) -> bool:
    """Reports whether a JSON value is a finite number. Python also reads NaN and Infinity."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def metrics_of(definition: Mapping[str, Any], account: str) -> Iterator[Metric]:
    """Returns the metrics of an alarm's definition, in the format of DescribeAlarms."""
    items = [({"Metric": definition}, account)] if definition.get("MetricName") else []
    items += [(q.get("MetricStat") or {}, q.get("AccountId") or account) for q in definition.get("Metrics") or []]
    for stat, owner in items:
        metric = stat.get("Metric") or {}
        if metric.get("MetricName"):
            dimensions = tuple(sorted((str(d.get("Name")), str(d.get("Value"))) for d in metric.get("Dimensions") or []))
            yield Metric(metric.get("Namespace") or "", metric["MetricName"], dimensions, owner)
