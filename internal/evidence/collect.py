# What an engineer would look at first, each part on its own so that one refusal does not hide the rest.
from datetime import datetime, timedelta, timezone
from botocore.config import Config

MAX_POINTS = 240      # of one series
MAX_SERIES = 12
MAX_RELATED = 30
MAX_CHANGES = 40
MAX_LOOKUPS = 4       # CloudTrail allows two a second
BEFORE = timedelta(hours=3)   # how far back changes are looked for

now = datetime.now(timezone.utc)
moment = datetime.fromtimestamp(alarm["time"], timezone.utc) if alarm["time"] else now
patient = Config(connect_timeout=3, read_timeout=8, retries={"max_attempts": 2, "mode": "standard"})
evidence = {"problems": []}


def client(service, region=None):
    return boto3.client(service, region_name=region or alarm["region"], config=patient)


def part(name, work):
    try:
        evidence[name] = work()
    except Exception as error:
        evidence["problems"].append("%s: %s: %s" % (name, type(error).__name__, str(error)[:300]))


def stamp(when):
    return when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") if when else None


def definition():
    found = client("cloudwatch").describe_alarms(
        AlarmNames=[alarm["name"]], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    alarms = found.get("MetricAlarms", []) + found.get("CompositeAlarms", [])
    if not alarms:
        raise LookupError("there is no alarm of this name in %s of this account" % alarm["region"])
    return alarms[0]


def history():
    items = client("cloudwatch").describe_alarm_history(
        AlarmName=alarm["name"], AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=25)["AlarmHistoryItems"]
    return [{"time": stamp(i.get("Timestamp")), "type": i.get("HistoryItemType"),
             "summary": (i.get("HistorySummary") or "")[:300]} for i in items]


def queries_of(source):
    """The GetMetricData queries of an alarm as DescribeAlarms returns it."""
    if source.get("Metrics"):
        wanted = json.loads(json.dumps(source["Metrics"][:MAX_SERIES]))
        for query in wanted:
            query["ReturnData"] = True
        return wanted
    if not source.get("MetricName"):
        return []
    stat = {"Metric": {"Namespace": source["Namespace"], "MetricName": source["MetricName"],
                       "Dimensions": source.get("Dimensions", [])},
            "Period": source.get("Period") or 60,
            "Stat": source.get("Statistic") or source.get("ExtendedStatistic") or "Average"}
    if source.get("Unit"):
        stat["Unit"] = source["Unit"]
    return [{"Id": "m1", "MetricStat": stat, "ReturnData": True}]


def fetch(wanted):
    periods = [q.get("MetricStat", {}).get("Period") or q.get("Period") or 60 for q in wanted]
    step = timedelta(seconds=max(periods + [1]))
    span = min(max(step * 180, timedelta(hours=1)), timedelta(days=14))
    results, token, pages = [], None, 0
    while pages == 0 or (token and pages < 3):
        extra = {"NextToken": token} if token else {}
        answer = client("cloudwatch").get_metric_data(
            MetricDataQueries=wanted, StartTime=moment - span,
            EndTime=min(now + step, moment + max(step * 10, timedelta(minutes=30))),
            ScanBy="TimestampAscending", **extra)
        results += answer.get("MetricDataResults", [])
        token, pages = answer.get("NextToken"), pages + 1
    return results


def series_of(source):
    """The alarm's metrics around the transition; an expression that fails does not hide its metrics."""
    wanted = queries_of(source)
    if not wanted:
        return []
    try:
        results = fetch(wanted)
    except Exception as error:
        plain = [q for q in wanted if q.get("MetricStat")]
        if not plain or len(plain) == len(wanted):
            raise
        evidence["problems"].append("expressions of the metric: %s" % str(error)[:300])
        results = fetch(plain)
    band = source.get("ThresholdMetricId")
    shown = next((q["Id"] for q in (source.get("Metrics") or []) if q.get("ReturnData", True) and q["Id"] != band), "m1")
    by_id = {q["Id"]: q for q in wanted}
    series, bounds = {}, {}
    for r in results:
        points = [[t.timestamp(), v] for t, v in zip(r.get("Timestamps", []), r.get("Values", []))]
        if r["Id"] == band:
            for t, v in points:
                bounds.setdefault(t, []).append(v)
            continue
        query = by_id.get(r["Id"], {})
        stat = query.get("MetricStat", {})
        entry = series.setdefault(r["Id"], {
            "id": r["Id"], "label": query.get("Label") or r.get("Label") or stat.get("Metric", {}).get("MetricName") or r["Id"],
            "unit": stat.get("Unit"), "period": stat.get("Period") or query.get("Period") or 60,
            "stat": stat.get("Stat"), "points": []})
        entry["points"] += points
    for entry in series.values():
        entry["points"] = sorted(entry["points"])[-MAX_POINTS:]
    if shown in series:
        if source.get("Threshold") is not None and not band:
            series[shown]["threshold"] = source["Threshold"]
        if bounds:
            times = sorted(bounds)[-MAX_POINTS:]
            series[shown]["lower"] = [[t, min(bounds[t])] for t in times]
            series[shown]["upper"] = [[t, max(bounds[t])] for t in times]
    return sorted(series.values(), key=lambda s: s["id"] != shown)


def all_series():
    source = evidence.get("definition") or alarm["fallback"]
    sources = [source]
    if source.get("AlarmRule") or alarm["children"]:
        names = [arn.split(":", 6)[6] for arn in alarm["children"][:5] if arn.count(":") >= 6]
        sources = client("cloudwatch").describe_alarms(
            AlarmNames=names, AlarmTypes=["MetricAlarm", "CompositeAlarm"]).get("MetricAlarms", []) if names else []
    found = []
    for position, source in enumerate(sources):
        for entry in series_of(source):
            if alarm["children"]:
                entry["id"] = "%s_%d" % (entry["id"], position + 1)
                entry["label"] = "%s: %s" % (source["AlarmName"], entry["label"])
            found.append(entry)
    return found[:MAX_SERIES]


def related():
    found = client("cloudwatch").describe_alarms(
        StateValue="ALARM", AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=100)
    others = [a for a in found.get("MetricAlarms", []) + found.get("CompositeAlarms", []) if a["AlarmName"] != alarm["name"]]
    others.sort(key=lambda a: stamp(a.get("StateTransitionedTimestamp") or a.get("StateUpdatedTimestamp")) or "", reverse=True)
    return [{"name": a["AlarmName"], "arn": a.get("AlarmArn"), "state": a.get("StateValue"),
             "since": stamp(a.get("StateTransitionedTimestamp") or a.get("StateUpdatedTimestamp")),
             "reason": (a.get("StateReason") or "")[:200]} for a in others[:MAX_RELATED]]


def resources():
    """Names of what the alarm is about: its dimensions' values."""
    source = evidence.get("definition") or {}
    found = {d["Name"]: d["Value"] for d in alarm["fallback"].get("Dimensions", [])}
    for query in [{"MetricStat": {"Metric": source}}] + (source.get("Metrics") or []) + (alarm["fallback"].get("Metrics") or []):
        for d in query.get("MetricStat", {}).get("Metric", {}).get("Dimensions") or []:
            found[d["Name"]] = d["Value"]
    return found


def lookups():
    """Where CloudTrail is asked: each resource, its role (IAM's events are in one region), then any write."""
    wanted = []
    found = resources()
    if "FunctionName" in found:
        try:
            role = client("lambda").get_function_configuration(FunctionName=found["FunctionName"])["Role"]
            home = {"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}.get(alarm["partition"], "us-east-1")
            wanted.append((home, {"AttributeKey": "ResourceName", "AttributeValue": role.split("/")[-1]}))
        except Exception as error:
            evidence["problems"].append("role of the function: %s: %s" % (type(error).__name__, str(error)[:200]))
    for value in list(dict.fromkeys(found.values()))[:MAX_LOOKUPS - 1 - len(wanted)]:
        wanted.append((None, {"AttributeKey": "ResourceName", "AttributeValue": value}))
    return wanted + [(None, {"AttributeKey": "ReadOnly", "AttributeValue": "false"})]


def change(event):
    try:
        detail = json.loads(event.get("CloudTrailEvent") or "{}")
    except ValueError:
        detail = {}
    return {"time": stamp(event.get("EventTime")), "event": event.get("EventName"), "source": event.get("EventSource"),
            "user": event.get("Username"), "error": detail.get("errorCode"),
            "resources": [r.get("ResourceName") for r in event.get("Resources", []) if r.get("ResourceName")][:5]}


def changes():
    events, failures = {}, []
    wanted = lookups()
    for region, attribute in wanted:
        try:
            answer = client("cloudtrail", region).lookup_events(
                LookupAttributes=[attribute], StartTime=moment - BEFORE, EndTime=min(now, moment + timedelta(minutes=5)), MaxResults=50)
        except Exception as error:
            failures.append("%s: %s" % (type(error).__name__, str(error)[:200]))
            continue
        for event in answer.get("Events", []):
            if str(event.get("ReadOnly", "")).lower() != "true":
                events.setdefault(event.get("EventId") or repr(event), change(event))
    if failures:
        evidence["problems"].append("changes: %d of %d CloudTrail lookups failed: %s" % (len(failures), len(wanted), failures[0]))
    return sorted(events.values(), key=lambda c: c["time"] or "", reverse=True)[:MAX_CHANGES]


part("definition", definition)
part("history", history)
part("series", all_series)
part("related", related)
part("changes", changes)
result = json.loads(json.dumps(evidence, default=lambda value: stamp(value) if hasattr(value, "astimezone") else str(value)))
