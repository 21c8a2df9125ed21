import json
import tempfile
import unittest
from pathlib import Path

from driver import report


def document(results):
    return {
        "date": "2000-01-01", "command": "./dev bench", "busy": False, "quick": False, "threads": 2, "seconds": 1.0,
        "machine": {"cpu": "c", "cores": 2, "memory_gb": 4, "kernel": "k", "congestion_control": "cubic", "system": "s",
                    "compiler": "g", "build_type": "Release", "node": "v1", "revision": "r"},
        "results": results,
    }


def runs(key, *values, **more):
    return [{key: value, **more} for value in values]


def goal_line(text, start):
    return next(line for line in text.splitlines() if line.startswith("| " + start))


class ReportTest(unittest.TestCase):
    def test_rpc_compares_each_round_with_its_own_bare_call(self):
        def figures(p50, **more):
            return {"latency_us_p50": p50, "latency_us_p99": 2 * p50, "calls_per_second": 1000, "errors": 0, **more}

        rounds = [{"grpc": figures(bare), "websocket": figures(ours, cpu_us_per_call_edge=7.0)} for bare, ours in ((100, 200), (50, 150), (200, 300))]
        text = report.render(document({}) | {"rpc": {"split": {"2,000/s": rounds}}})
        cells = [cell.strip() for cell in next(line for line in text.splitlines() if line.startswith("| 2,000/s")).split("|")]
        self.assertEqual(cells[2:5], ["0.10", "0.20", "2.00"])
        self.assertEqual(cells[8], "7.0")

    def test_of_a_part_measured_twice_the_last_run_counts(self):
        def run(revision, **parts):
            whole = document({}) | parts
            return whole | {"machine": whole["machine"] | {"revision": revision}}

        def stream(rate):
            return {"1": [{"published_per_s": rate, "received_per_s": 1, "complete": True, "failed": 0}]}

        micro = [{"name": "BM_BothWays", "cpu_time": 2000.0, "time_unit": "ns"}]
        text = report.render(run("old", streams=stream(100_000), micro=micro), run("new", streams=stream(300_000)))
        self.assertIn("300,000", goal_line(text, "records/s ingested"))
        self.assertIn("met", goal_line(text, "records/s ingested"))
        self.assertIn("2.00 µs", goal_line(text, "transcoding"))
        self.assertIn("micro: ", next(line for line in text.splitlines() if "revision old" in line))
        self.assertTrue(next(line for line in text.splitlines() if "revision new" in line).startswith("streams: "))

    def test_what_is_incomplete_is_told(self):
        runs = [{"published_per_s": 1, "received_per_s": 1, "complete": False, "failed": 2}]
        self.assertIn("Not clean: 100: 1 runs incomplete, 2 calls failed.", report.render(document({}) | {"streams": {"100": runs}}))

    def test_changes_are_compared_round_by_round(self):
        rounds = [{"covet": {"rows_per_s": ours, "cpu_us_per_row": 2}, "pg_recvlogical": {"rows_per_s": theirs, "cpu_us_per_row": 1}}
                  for ours, theirs in ((80, 100), (60, 100), (90, 100))]
        text = report.render(document({}) | {"changes": {"inserts, 1,000 a transaction": rounds}})
        line = goal_line(text, "changes, inserts")
        self.assertIn("0.80×", line)
        self.assertIn("0.60–0.90", line)

    def test_goals_compare_medians_with_the_floor_of_as_many_threads(self):
        key = "server_cpu_us_per_delivery"
        text = report.render(document({"fanout": {
            "covet": runs(key, 5.0, 4.0, 100.0), "floor-2": runs(key, 4.0, 4.0, 4.0), "floor-1": runs(key, 1, 1, 1)}}))
        line = goal_line(text, "CPU per delivery")
        self.assertIn("1.25×", line)
        self.assertIn("1.00–25.00", line)
        self.assertIn("met", line)

    def test_a_missed_goal_is_told(self):
        text = report.render(document({"saturation": {
            "covet": runs("deliveries_per_second", 499), "socket.io": runs("deliveries_per_second", 100)}}))
        self.assertIn("missed", goal_line(text, "deliveries/s at window 8"))
        text = report.render(document({"connect": {"covet": runs("connections_per_second", 1499)}}))
        self.assertIn("missed", goal_line(text, "authenticated"))

    def test_what_was_not_measured_is_not_judged(self):
        text = report.render(document({"fanout": {"covet": runs("latency_us_p99", 5.0)}}))
        self.assertIn("not measured", goal_line(text, "p99"))

    def test_losses_and_errors_stand_beside_the_figures(self):
        text = report.render(document({"fanout": {"covet": runs("latency_us_p99", 5.0, missing=3, errors=1)}}))
        self.assertIn("Not clean: covet: 3 missing, 1 errors.", text)

    def test_shared_writes_at_a_rate_are_told(self):
        busy = runs("latency_us_p99", 5.0, rate=100, deliveries_per_read=2.4)
        calm = runs("latency_us_p99", 5.0, rate=100, deliveries_per_read=1.0)
        text = report.render(document({"fanout": {"covet": busy, "ws": calm}}))
        self.assertIn("covet: 2.4 deliveries a read", text)
        self.assertNotIn("ws: ", text)
        text = report.render(document({"saturation": {"covet": runs("latency_us_p99", 5.0, deliveries_per_read=5.0)}}))
        self.assertNotIn("Not clean", text)

    def test_threads_are_told_by_their_share(self):
        text = report.render(document({"pairs": {"covet": runs(
            "server_cpu_us_per_publish", 9.0, server_cpu_us_per_publish_by_thread={"edge": 6.0, "log": 3.0})}}))
        self.assertIn("by thread: edge 6.0, log 3.0.", text)

    def test_writes_between_the_markers_only(self):
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder, "page.md")
            page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
            report.write_into(page, "new\n")
            self.assertEqual(page.read_text(encoding="utf-8"),
                             f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n")
            page.write_text("no markers", encoding="utf-8")
            self.assertRaises(ValueError, report.write_into, page, "new\n")

    def test_results_survive_json(self):
        whole = document({"connect": {"covet": runs("connections_per_second", 2000)}})
        self.assertEqual(report.render(json.loads(json.dumps(whole))), report.render(whole))


if __name__ == "__main__":
    unittest.main()
