# Collects the data that an engineer would look at first. Each part is independent: if one fails, the others are
# still collected.
import re
import time
from datetime import datetime, timedelta, timezone
from botocore.config import Config

MAX_POINTS = 240      # points of one series
MAX_SERIES = 12
MAX_RELATED = 30
MAX_CHANGES = 40
MAX_LOOKUPS = 4       # CloudTrail allows two per second
BEFORE = timedelta(hours=3)   # period before the alarm that is searched for changes
MAX_LINES = 50        # log lines that match a log alarm's query
MAX_LINE = 500        # characters of one log line
QUERY_SECONDS = 10    # how long to wait for a Logs Insights query
MAX_SPAN = timedelta(hours=24)  # time range of a PromQL query; CloudWatch limits the data scanned per 24 hours

now = datetime.now(timezone.utc)
fired_at = datetime.fromtimestamp(alarm["time"], timezone.utc) if alarm["time"] else now
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
    alarms = []
    if alarm["kind"] != "log":
        found = client("cloudwatch").describe_alarms(
            AlarmNames=[alarm["name"]], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        alarms = found.get("MetricAlarms", []) + found.get("CompositeAlarms", [])
    if not alarms and alarm["kind"] in ("log", "unknown"):
        alarms = describe_log_alarms(region=alarm["region"], AlarmNames=[alarm["name"]])["LogAlarms"]
    if not alarms:
        raise LookupError("no alarm of this name in %s of this account" % alarm["region"])
    return alarms[0]


def history():
    types = {"log": [["LogAlarm"]], "unknown": [["MetricAlarm", "CompositeAlarm"], ["LogAlarm"]]}
    items = []
    for kinds in types.get(alarm["kind"], [["MetricAlarm", "CompositeAlarm"]]):
        items += client("cloudwatch").describe_alarm_history(
            AlarmName=alarm["name"], AlarmTypes=kinds, MaxRecords=25)["AlarmHistoryItems"]
    return [{"time": stamp(i.get("Timestamp")), "type": i.get("HistoryItemType"),
             "summary": (i.get("HistorySummary") or "")[:300]} for i in items]


def queries_of(source):
    """Returns the GetMetricData queries of an alarm in the format of DescribeAlarms."""
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
            MetricDataQueries=wanted, StartTime=fired_at - span,
            EndTime=min(now + step, fired_at + max(step * 10, timedelta(minutes=30))),
            ScanBy="TimestampAscending", **extra)
        results += answer.get("MetricDataResults", [])
        token, pages = answer.get("NextToken"), pages + 1
    return results


def series_of(source):
    """Returns the alarm's metrics around the transition. Omits expressions if one of them fails."""
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
    if alarm["kind"] == "log" or source.get("ScheduledQueryConfiguration"):
        return log_series(source)
    if alarm["kind"] == "promql" or source.get("EvaluationCriteria"):
        return promql_series(source)
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


def query():
    """Returns the query of a log or PromQL alarm from its definition, or else from its event."""
    source = evidence.get("definition") or {}
    sent = alarm["query"] or {}
    config = source.get("ScheduledQueryConfiguration") or {}
    schedule = config.get("ScheduleConfiguration") or {}
    criteria = (source.get("EvaluationCriteria") or {}).get("PromQLCriteria") or {}
    return {
        "text": config.get("QueryString") or criteria.get("Query") or sent.get("text"),
        "log_groups": config.get("LogGroupIdentifiers") or sent.get("log_groups") or [],
        "aggregation": config.get("AggregationExpression") or sent.get("aggregation"),
        "schedule": schedule.get("ScheduleExpression") or sent.get("schedule"),
        "start_offset": int(schedule.get("StartTimeOffset") or sent.get("start_offset") or 0),
        "end_offset": int(schedule.get("EndTimeOffset") or sent.get("end_offset") or 0),
        "interval": int(source.get("EvaluationInterval") or sent.get("interval") or 0),
        "pending": int(criteria.get("PendingPeriod") or sent.get("pending") or 0),
    }


def reason_data():
    """Returns the reason data of this transition from the event, or else from the alarm's definition."""
    for text in (alarm["reason_data"], (evidence.get("definition") or {}).get("StateReasonData")):
        try:
            data = json.loads(text or "")
        except ValueError:
            continue
        if isinstance(data, dict):
            return data
    return {}


def runs():
    """Returns time, value, and id of the evaluated executions of a log alarm's query, oldest first."""
    found = []
    for item in reason_data().get("results") or []:
        try:
            at = datetime.strptime(item["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z")
        except (KeyError, TypeError, ValueError):
            continue
        found.append((at.timestamp(), item.get("value"), item.get("queryResultId")))
    return sorted(found, key=lambda run: run[0])


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def log_series(source):
    asked, data = query(), reason_data()
    points = [[at, value] for at, value, _ in runs() if number(value)]
    if not points:
        return []
    threshold = source.get("Threshold", data.get("threshold"))
    gaps = [b[0] - a[0] for a, b in zip(points, points[1:]) if b[0] > a[0]]
    return [{"id": "query", "label": asked["aggregation"] or "result of the alarm's query", "unit": None,
             "period": int(min(gaps)) if gaps else 60, "stat": None, "points": points[-MAX_POINTS:],
             "threshold": threshold if number(threshold) else None}]


def log_lines():
    """Returns log lines that match a log alarm's query, from the evaluated execution or a new one."""
    asked, logs, executions = query(), client("logs"), runs()
    for _, _, execution in reversed(executions):
        try:
            answer = logs.get_query_results(queryId=execution)
        except Exception:
            break  # its results have expired, or the role may not read them
        if answer.get("results"):
            return lines_of(answer["results"])
    if not asked["text"] or not asked["log_groups"]:
        raise LookupError("neither the event nor the alarm's definition contains its query and log groups")
    at = executions[-1][0] if executions else fired_at.timestamp()
    started = logs.start_query(
        logGroupIdentifiers=[group[:-2] if group.endswith(":*") else group for group in asked["log_groups"][:50]],
        queryString=asked["text"], limit=MAX_LINES,
        startTime=int(at - (asked["start_offset"] or 300)), endTime=int(at - asked["end_offset"]) + 1)
    until = time.monotonic() + QUERY_SECONDS
    while True:
        answer = logs.get_query_results(queryId=started["queryId"])
        if answer.get("status") not in ("Scheduled", "Running", None):
            break
        if time.monotonic() > until:
            raise TimeoutError("the alarm's query did not finish within %d s" % QUERY_SECONDS)
        time.sleep(0.5)
    if answer["status"] != "Complete":
        raise RuntimeError("the alarm's query ended with status %s" % answer["status"])
    return lines_of(answer.get("results") or [])


def lines_of(rows):
    found = []
    for row in rows[:MAX_LINES]:
        fields = {cell.get("field"): cell.get("value") for cell in row}
        text = fields.get("@message") or " ".join("%s=%s" % f for f in fields.items() if f[0] not in ("@ptr", "@timestamp"))
        found.append(("%s %s" % (fields.get("@timestamp") or "", text.rstrip())).strip()[:MAX_LINE])
    return found


def comparison(text):
    """Splits a PromQL query into the expression that the alarm evaluates and the number of its final comparison."""
    parts = re.match(r"(?s)^(.*\S)\s*(?:>=|<=|>|<)\s*(-?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*$", text)
    if not parts or re.search(r"(?i)\b(and|or|unless)\b", parts[1]) or re.search(r"[<>]|[=!]=\s*$", parts[1]):
        return text, None
    for opening, closing in ("()", "{}", "[]"):
        if parts[1].count(opening) != parts[1].count(closing):
            return text, None
    try:
        return parts[1], float(parts[2])
    except ValueError:
        return text, None


def promql_series(source):
    asked = query()
    if not asked["text"]:
        raise LookupError("neither the event nor the alarm's definition contains the PromQL query")
    step = max(asked["interval"], 60)
    span = min(max(timedelta(seconds=step) * 180, timedelta(hours=1)), MAX_SPAN)
    shown, threshold = comparison(asked["text"])
    last = min(now, fired_at + max(timedelta(seconds=step) * 10, timedelta(minutes=30)))
    window = {"start": fired_at - span, "end": last, "step": step, "region": alarm["region"]}
    try:
        data = promql(shown, **window)
    except Exception as error:
        if shown == asked["text"]:
            raise
        evidence["problems"].append("PromQL without its comparison: %s" % str(error)[:200])
        threshold, data = None, promql(asked["text"], **window)
    for warning in data.get("warnings") or []:
        evidence["problems"].append("PromQL: %s" % str(warning)[:200])
    results = data.get("result") or []
    if len(results) > MAX_SERIES:
        evidence["problems"].append("series: only %d of %d PromQL series are shown" % (MAX_SERIES, len(results)))
    blamed = alarm["contributor"] or {}
    found = []
    for result in results:
        labels = result.get("metric") or {}
        points = [[float(at), float(value)] for at, value in result.get("values") or []]
        points = [p for p in points if p[1] == p[1] and abs(p[1]) != float("inf")]
        own = bool(blamed) and all(labels.get(k) == v for k, v in blamed.items())
        found.append((not own, -max([p[1] for p in points], default=0), labels, points))
    found.sort(key=lambda f: f[:2])
    return [{"id": "promql_%d" % (i + 1), "unit": None, "period": step, "stat": None, "points": points[-MAX_POINTS:],
             "threshold": threshold, "label": ", ".join("%s=%s" % l for l in sorted(labels.items())) or shown[:200]}
            for i, (_, _, labels, points) in enumerate(found[:MAX_SERIES])]


def contributors():
    found = client("cloudwatch").describe_alarm_contributors(AlarmName=alarm["name"]).get("AlarmContributors", [])
    return [{"attributes": c.get("ContributorAttributes"), "reason": (c.get("StateReason") or "")[:200],
             "since": stamp(c.get("StateTransitionedTimestamp"))} for c in found[:MAX_RELATED]]


def log_alarms_in_alarm():
    """Returns log alarms in ALARM, which DescribeAlarms only returns on request, or none if that fails."""
    try:
        return describe_log_alarms(region=alarm["region"], StateValue="ALARM", MaxRecords=100)["LogAlarms"]
    except Exception as error:
        evidence["problems"].append("log alarms in ALARM: %s: %s" % (type(error).__name__, str(error)[:200]))
        return []


def related():
    found = client("cloudwatch").describe_alarms(
        StateValue="ALARM", AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=100)
    listed = found.get("MetricAlarms", []) + found.get("CompositeAlarms", []) + log_alarms_in_alarm()
    others = [a for a in listed if a["AlarmName"] != alarm["name"]]
    others.sort(key=lambda a: stamp(a.get("StateTransitionedTimestamp") or a.get("StateUpdatedTimestamp")) or "", reverse=True)
    return [{"name": a["AlarmName"], "arn": a.get("AlarmArn"), "state": a.get("StateValue"),
             "since": stamp(a.get("StateTransitionedTimestamp") or a.get("StateUpdatedTimestamp")),
             "reason": (a.get("StateReason") or "")[:200]} for a in others[:MAX_RELATED]]


def resources():
    """Returns the resources of the alarm: the values of its dimensions, by name."""
    source = evidence.get("definition") or {}
    found = {d["Name"]: d["Value"] for d in alarm["fallback"].get("Dimensions", [])}
    for item in [{"MetricStat": {"Metric": source}}] + (source.get("Metrics") or []) + (alarm["fallback"].get("Metrics") or []):
        for d in item.get("MetricStat", {}).get("Metric", {}).get("Dimensions") or []:
            found[d["Name"]] = d["Value"]
    for group in (evidence.get("query") or {}).get("log_groups", []):
        name = group.split(":")[6] if group.count(":") >= 6 else group
        if name.startswith("/aws/lambda/"):
            found.setdefault("FunctionName", name[len("/aws/lambda/"):])
    return found


def lookups():
    """Returns the CloudTrail lookups: for the function's role (in IAM's Region), each resource, and all writes."""
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
                LookupAttributes=[attribute], StartTime=fired_at - BEFORE, EndTime=min(now, fired_at + timedelta(minutes=5)), MaxResults=50)
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
if alarm["kind"] in ("log", "promql", "unknown") or {"ScheduledQueryConfiguration", "EvaluationCriteria"} & set(evidence.get("definition") or {}):
    part("query", query)
part("history", history)
part("series", all_series)
if alarm["kind"] == "log" and not alarm["has_lines"]:
    part("log_lines", log_lines)
if alarm["kind"] in ("log", "promql"):
    part("contributors", contributors)
part("related", related)
part("changes", changes)
result = json.loads(json.dumps(evidence, default=lambda value: stamp(value) if hasattr(value, "astimezone") else str(value)))
