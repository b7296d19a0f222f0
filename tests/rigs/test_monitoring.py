"""deploy/alerts.yml and deploy/grafana.json, with promtool and a running server."""

import json
import re
import subprocess

import pytest
import requests
from server import DEADLINE, ROOT

ALERTS = ROOT / "deploy/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana.json"
JOB = 'job="the-button", instance="pi"'
#: For each alert, series that fire only this alert (in promtool's notation, with one value per minute).
FIRING = {
    "ButtonDown": {f"up{{{JOB}}}": "1x5 0x40"},
    "ButtonNotRecording": {f"button_recording{{{JOB}}}": "1x5 0x40"},
    "ButtonPressesRejected": {f"button_refused_presses_total{{{JOB}}}": "0x38 7x6"},
    "ButtonWarns": {f'button_warnings{{{JOB}, service="feed"}}': "0x5 1x40"},
    "ButtonStuck": {f"button_stuck{{{JOB}}}": "0x5 1x40"},
    "ButtonSamplerGaps": {f"button_sampler_long_gaps_total{{{JOB}}}": "0+1x45"},
    "ButtonSlowDisk": {
        f'button_commit_seconds_bucket{{{JOB}, le="1.0"}}': "0+1x45",
        f'button_commit_seconds_bucket{{{JOB}, le="2.5"}}': "0+2x45",
        f'button_commit_seconds_bucket{{{JOB}, le="+Inf"}}': "0+2x45",
    },
    "ButtonFewDescriptors": {f"process_open_fds{{{JOB}}}": "95x45", f"process_max_fds{{{JOB}}}": "100x45"},
    "ButtonRestarts": {f"process_start_time_seconds{{{JOB}}}": "0x5 1x5 2x5 3x5 4x25"},
}


def promtool(*arguments, **options):
    """Run promtool and return its output."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def queries():
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")


def exposed_names(server):
    """Return the names of samples, and of metrics without samples yet."""
    text = requests.get(f"{server.url}/metrics", timeout=DEADLINE).text
    return set(re.findall(r"^(?:# TYPE )?(\w+)", text, re.M))


def test_every_metric_in_alerts_and_dashboard_exists(start):
    exposed = exposed_names(start(webhook="http://127.0.0.1:1/"))
    for path in (ALERTS, DASHBOARD):
        names = set(re.findall(r"\b(?:button|process)_[a-z_]+\b", path.read_text()))
        assert len(names) > 5
        assert names - exposed == set(), path.name


@pytest.mark.slow
def test_promtool_accepts_the_alerts():
    assert "SUCCESS: 9 rules found" in promtool("check", "rules", str(ALERTS))


@pytest.mark.slow
def test_promtool_accepts_every_query_of_the_dashboard(tmp_path):
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries())]
    path = tmp_path / "rules.json"  # JSON is YAML
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"SUCCESS: {len(rules)} rules found" in promtool("check", "rules", str(path))


@pytest.mark.slow
def test_promtool_accepts_the_metrics(start):
    text = requests.get(f"{start().url}/metrics", timeout=DEADLINE).text
    # Prometheus reserves the suffix _count; the name is older than this check.
    others = re.sub(r"(?m)^(# \w+ )?button_count .*\n", "", text)
    assert len(others) < len(text)
    promtool("check", "metrics", input=others)


def test_every_alert_has_series_that_fire_it():
    assert set(FIRING) == set(re.findall(r"alert: (\w+)", ALERTS.read_text()))


@pytest.mark.slow
@pytest.mark.parametrize("alert", FIRING)
def test_alert_fires_alone(tmp_path, alert):
    series = [{"series": name, "values": values} for name, values in FIRING[alert].items()]
    firing = {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": "40m",
        "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1}],
    }
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [firing]}
    path = tmp_path / "test.json"
    path.write_text(json.dumps({"rule_files": [str(ALERTS)], "tests": [test]}))
    promtool("test", "rules", str(path))
