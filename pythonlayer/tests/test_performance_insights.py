"""The load of a database, its wait events, and its SQL statements, on answers as the Performance Insights API documents them."""

from typing import Any, Dict, List, Optional

from alarmtriage_evidence.context import Onset
from alarmtriage_evidence.services import rds

from . import fake_aws
from .fake_aws import FIRED, FakeAWS, context, look
from .test_services import Looks, MINUTES, REGION

ONSET = FIRED - 2 * MINUTES
Totals = Dict[str, float]


def instance(name: str = "orders-1", **more: Any) -> Dict[str, Any]:
    return {"DBInstanceIdentifier": name, "DBInstanceArn": f"arn:aws:rds:{REGION}:db:{name}", "DbiResourceId": f"db-{name.upper()}", "DBInstanceStatus": "available",
            "Engine": "aurora-postgresql", "PerformanceInsightsEnabled": True, **more}


def waits(totals: Totals, group: str = "db.wait_event") -> List[Dict[str, Any]]:
    return [{"Dimensions": {f"{group}.name": name, f"{group}.type": name.split(":")[0]}, "Total": total} for name, total in totals.items()]


def statements(totals: Totals, group: str = "db.sql_tokenized") -> List[Dict[str, Any]]:
    """Stages digests, whose text is their name, and whose ids are derived from it."""
    return [{"Dimensions": {f"{group}.id": f"HASH{hash(text)}", f"{group}.db_id": f"pi-{i}", f"{group}.statement": text}, "Total": total}
            for i, (text, total) in enumerate(totals.items())]


def points(before: Optional[float], after: Optional[float], minutes: int = 7) -> Dict[str, Any]:
    """Stages GetResourceMetrics with so many minutes after the onset. Periods without data have no value."""
    shown = [{"Timestamp": ONSET + i * MINUTES, **({} if value is None else {"Value": value})}
             for i, value in ((-3, before), (-2, before), (-1, None), *((i, after) for i in range(minutes)))]
    return {"Identifier": "db-ORDERS-1", "AlignedStartTime": FIRED, "AlignedEndTime": FIRED, "MetricList": [{"Key": {"Metric": "db.load.avg"}, "DataPoints": shown}]}


class Staged(Looks):
    def staged(self, found: Dict[str, Any], keys: Dict[str, Any], load: Any = None) -> Dict[str, Any]:
        """Returns answers: `keys` has the keys after and before the onset by group."""

        def describe(request: Dict[str, Any]) -> Dict[str, Any]:
            after, before = keys[request["GroupBy"]["Group"]]
            listed = after if request["StartTime"] == ONSET else before
            return {"Keys": listed[:request["GroupBy"]["Limit"]]}

        return {"rds.describe_db_instances": {"DBInstances": [found]}, "rds.describe_events": {"Events": []},
                "rds.describe_pending_maintenance_actions": {"PendingMaintenanceActions": []},
                "pi.get_resource_metrics": load or points(1.0, 9.0), "pi.describe_dimension_keys": describe}


class PerformanceInsights(Staged):
    KEYS = {"db.wait_event": (waits({"IO:DataFileRead": 6.1, "CPU": 2.0, "Lock:tuple": 0.9}), waits({"CPU": 1.9, "IO:DataFileRead": 0.2})),
            "db.sql_tokenized": (statements({"SELECT * FROM orders\n WHERE sku = ?": 7.25, "UPDATE stock SET n = ?": 0.04}), statements({"UPDATE stock SET n = ?": 0.03}))}

    def test_a_new_statement_and_its_wait_come_first(self) -> None:
        texts = self.see(rds, "orders-1", self.staged(instance(), self.KEYS))
        self.first(texts, "SQL digest pi-0: 7.25 average active sessions from 2026-08-04T12:34:00Z to 2026-08-04T12:41:00Z, none in the 30 minutes before: "
                          "SELECT * FROM orders WHERE sku = ?",
                   "top wait events in average active sessions from 2026-08-04T12:34:00Z to 2026-08-04T12:41:00Z, and in the 30 minutes before: "
                   "IO:DataFileRead 6.1 (0.2), CPU 2 (1.9), Lock:tuple 0.9 (none)",
                   "database load in average active sessions: 9 from 2026-08-04T12:34:00Z to 2026-08-04T12:41:00Z, 1 in the 30 minutes before", among=3)
        self.assertIn("SQL digest pi-1: 0.04 average active sessions", "\n".join(texts))

    def test_its_requests_are_bounded_and_name_the_resource(self) -> None:
        aws = FakeAWS(self.staged(instance(), self.KEYS))
        ctx = context(aws)
        for one in (rds.load, rds.wait_events, rds.sql_statements):
            list(one(ctx, "orders-1"))
        sent = [request for name, request in aws.requests if name.startswith("pi.")]
        self.assertEqual(5, len(sent))
        for request in sent:
            self.assertEqual(("RDS", "db-ORDERS-1", 60), (request["ServiceType"], request["Identifier"], request["PeriodInSeconds"]))
            self.assertLess(request["StartTime"], request["EndTime"])
        self.assertEqual([5, 25, 3, 25], [request["GroupBy"]["Limit"] for request in sent if "GroupBy" in request])

    def test_a_steady_load_counts_little(self) -> None:
        steady = {"db.wait_event": (waits({"CPU": 2.0}), waits({"CPU": 1.9})), "db.sql_tokenized": (statements({"SELECT 1": 2.0}), statements({"SELECT 1": 1.9}))}
        seen, failed = look(rds, context(FakeAWS(self.with_metrics(self.staged(instance(), steady, points(2.0, 2.1))))), "orders-1")
        self.assertEqual({}, {k: v for k, v in failed.items() if k != "deployments"})
        weights = {one.text.split(":")[0].split(" in average")[0]: one.weight for one in seen}
        self.assertEqual((30, 40, 40), (weights["database load"], weights["top wait events"], weights["SQL digest pi-0"]))

    def with_metrics(self, answers: Dict[str, Any]) -> Dict[str, Any]:
        aws = FakeAWS(answers)
        aws.metrics({})
        return aws.answers

    def test_a_key_beyond_the_list_before_is_not_called_new(self) -> None:
        many = {f"SELECT {i} FROM t": 30.0 - i for i in range(25)}
        keys = {"db.wait_event": ([], []), "db.sql_tokenized": (statements({"SELECT 99 FROM t": 8.0}), statements(many))}
        texts = self.see(rds, "orders-1", self.staged(instance(), keys))
        self.assertIn("8 average active sessions from 2026-08-04T12:34:00Z to 2026-08-04T12:41:00Z, at most 6 in the 30 minutes before", "\n".join(texts))

    def test_minutes_whose_data_has_not_arrived_do_not_count(self) -> None:
        for fired, minutes, until in ((FIRED, 7, "12:41:00"), (FIRED, 4, "12:38:00"), (FIRED, 0, "12:36:00"), (FIRED + 3 * MINUTES, 0, "")):
            aws = FakeAWS(self.staged(instance(), self.KEYS, points(1.0, 9.0, minutes)))
            ctx = context(aws, time=fired.timestamp())
            ctx.onsets.append(Onset(fired - 2 * MINUTES, MINUTES))
            texts = [one.text for one in look(rds, ctx, "orders-1")[0]]
            ends = {request["EndTime"] for name, request in aws.requests if name == "pi.describe_dimension_keys"}
            self.assertEqual(bool(until), any(text.startswith("top wait events") for text in texts), (minutes, texts))
            if until:
                self.assertIn(FIRED.replace(hour=int(until[:2]), minute=int(until[3:5])), ends)
                self.assertTrue(any(f"to 2026-08-04T{until}Z" in text for text in texts if text.startswith("SQL digest")), texts)
            else:
                self.assertIn("database load in average active sessions: no data yet after 2026-08-04T12:37:00Z, 1 in the 30 minutes before", texts)

    def test_the_load_of_a_minute_counts_where_the_minute_began(self) -> None:
        aws = FakeAWS(self.staged(instance(), self.KEYS))
        look(rds, context(aws), "orders-1")
        self.assertEqual(["START_TIME"], [request["PeriodAlignment"] for name, request in aws.requests if name == "pi.get_resource_metrics"])

    def test_it_is_off(self) -> None:
        for found in (instance(PerformanceInsightsEnabled=False), {k: v for k, v in instance().items() if k != "PerformanceInsightsEnabled"}):
            aws = FakeAWS(self.staged(found, {}))
            seen, _ = look(rds, context(aws), "orders-1")
            self.assertEqual(["Performance Insights is off, so its load by SQL statement and wait event is not known"], [o.text for o in seen if "Insights" in o.text])
            self.assertEqual([], [name for name, _ in aws.requests if name.startswith("pi.")])
        aws = FakeAWS(self.staged(instance(Engine="neptune", PerformanceInsightsEnabled=False), {}))
        self.assertEqual([], [o.text for o in look(rds, context(aws), "orders-1")[0] if "Insights" in o.text])

    def test_without_load_it_says_nothing(self) -> None:
        texts = self.see(rds, "orders-1", self.staged(instance(), {"db.wait_event": ([], []), "db.sql_tokenized": ([], [])}, points(None, None)))
        self.assertNotIn("active sessions", "\n".join(texts))

    def test_each_look_fails_alone(self) -> None:
        denied = fake_aws.error("NotAuthorizedException", "no pi:DescribeDimensionKeys", "DescribeDimensionKeys")
        aws = FakeAWS(self.with_metrics({**self.staged(instance(), {}), "pi.describe_dimension_keys": denied,
                                         "cloudformation.describe_stack_resources": fake_aws.error("ValidationError", "Stack for x does not exist")}))
        seen, failed = look(rds, context(aws), "orders-1")
        self.assertEqual({"wait_events", "sql_statements"}, set(failed))
        self.assertTrue(any(o.text.startswith("database load") for o in seen))

    def test_a_cluster_is_read_by_its_writer_and_one_reader(self) -> None:
        members = [{"DBInstanceIdentifier": f"orders-{i}", "IsClusterWriter": i == 3} for i in range(1, 5)]
        answers = {**self.staged(instance(), self.KEYS),
                   "rds.describe_db_clusters": {"DBClusters": [{"DBClusterIdentifier": "orders", "Status": "available", "DBClusterMembers": members}]},
                   "rds.describe_db_instances": lambda request: {"DBInstances": [instance(request["DBInstanceIdentifier"])]}}
        aws = FakeAWS(answers)
        ctx = context(aws)
        seen = [one for part in (rds.load, rds.wait_events, rds.sql_statements) for one in part(ctx, "cluster orders")]
        self.assertEqual({"DB instance orders-3", "DB instance orders-1"}, {one.about for one in seen})
        self.assertEqual({"db-ORDERS-3", "db-ORDERS-1"}, {request["Identifier"] for name, request in aws.requests if name.startswith("pi.")})
        self.assertEqual(["load of cluster orders: read for 2 of 4 instances: orders-3, orders-1"], ctx.notes)

    def test_documentdb_has_other_names(self) -> None:
        find = '{"find":"orders","filter":{"sku":"?"}}'
        keys = {"db.wait_state": (waits({"IO": 3.0}, "db.wait_state"), []), "db.query_tokenized": (statements({find: 3.0}, "db.query_tokenized"), [])}
        answers = self.staged(instance(Engine="docdb"), keys)
        texts = self.see(rds, "orders-1", answers)
        self.first(texts, f"none in the 30 minutes before: {find}", "IO 3 (none)")
        aws = FakeAWS(answers)
        list(rds.load(context(aws), "orders-1"))
        self.assertEqual({"DOCDB"}, {request["ServiceType"] for name, request in aws.requests if name.startswith("pi.")})


class Statements(Staged):
    """Databases leave some literals in a digest."""

    def shown(self, statement: str, engine: str = "postgres") -> str:
        """Returns the statement as the report shows it."""
        aws = FakeAWS(self.staged(instance(Engine=engine), {"db.sql_tokenized": (statements({statement: 3.0}), [])}))
        return next(iter(rds.sql_statements(context(aws), "orders-1"))).text.split(" minutes before: ")[1]

    def test_quoted_texts_are_hidden(self) -> None:
        for statement, engine in (
            ("ALTER ROLE app WITH PASSWORD 'hunter2'", "postgres"), ("ALTER ROLE app WITH PASSWORD 'hunter2", "postgres"),
            ("SELECT 'it''s', 'hunter2'", "aurora-postgresql"), (r"SELECT 'C:\', 'hunter2'", "postgres"), (r"SELECT 'it\'s', 'hunter2'", "mysql"),
            ("DO $$ BEGIN PERFORM login($a$hunter2$a$); END $$", "postgres"), ("SELECT $body$hunter2$body$", "postgres"), ("SELECT E'hunter2'", "postgres"), ("ALTER ROLE app PASSWORD $a1$hunter2$a1$", "postgres"),
            ('ALTER USER app IDENTIFIED BY "hunter2"', "oracle-ee"), ("ALTER USER app identified by hunter2", "oracle-se2"),
            ('CREATE USER app IDENTIFIED BY"hunter2"', "oracle-ee"), ("ALTER USER app IDENTIFIED BY/**/hunter2", "oracle-ee"),
            ("ALTER USER app IDENTIFIED/**/BY hunter2", "oracle-ee"), ("ALTER USER app identified /* a * b */ /***/ by hunter2", "oracle-ee"),
            ('CREATE USER app IDENTIFIED BY "hunter2"', "aurora-mysql"), ('SET PASSWORD = "hunter2"', "mariadb"), ("CREATE LOGIN a WITH PASSWORD = N'hunter2'", "sqlserver-se"),
            ('EXEC sp_addlogin "app", "hunter2"', "sqlserver-se"),
        ):
            with self.subTest(statement):
                self.assertNotIn("hunter2", self.shown(statement, engine))
                self.assertTrue(self.shown(statement, engine).endswith("…"))

    def test_digests_stay_whole(self) -> None:
        for statement, engine in (
            ("SELECT * FROM orders WHERE id = $1 AND day > $2", "postgres"), ('SELECT "Total" FROM "Orders" WHERE id = $1', "aurora-postgresql"),
            ("SELECT `a` FROM `orders` WHERE `id` IN (...)", "mysql"), ("SELECT [a] FROM [dbo].[orders] WHERE id = @0", "sqlserver-se"),
            ("SELECT /*+ INDEX(o o_ix) */ * FROM orders o WHERE id = :1", "oracle-ee"), ("UPDATE t SET __v = __v + ?", "mariadb"),
        ):
            with self.subTest(statement):
                self.assertEqual(statement, self.shown(statement, engine))

    def test_long_ones_are_cut(self) -> None:
        shown = self.shown("SELECT " + "a, " * 400)
        self.assertEqual(250, len(shown))
        self.assertTrue(shown.endswith("…"))
        self.assertEqual("SELECT 1", self.shown("  SELECT\n\t1 "))
