"""The alert rules that are shipped, by Debian's promtool: each fires when alert_rules.yml says so, and not else."""

import subprocess
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
RULES, TESTS = HERE.parents[1] / "admin/deploy/pgweir.rules.yml", HERE / "alert_rules.yml"

rules = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
tested = [test for part in yaml.safe_load(TESTS.read_text())["tests"] for test in part["alert_rule_test"]]
for fires in (True, False):
    missing = rules - {test["alertname"] for test in tested if bool(test.get("exp_alerts")) == fires}
    if missing:
        sys.exit(f"FAIL nothing tests that these {'fire' if fires else 'stay silent'}: {missing}")
for command in (["check", "rules", RULES], ["test", "rules", TESTS]):
    done = subprocess.run(["promtool", *map(str, command)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"FAIL promtool {' '.join(command[:2])}:\n{done.stdout}{done.stderr}")
    print("PASS promtool", *command[:2])
