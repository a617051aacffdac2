"""access-readers.py combined|json|w3c FILE: whether each line of an access log is one that readers of
that format accept; prints the values of each, as NAME=VALUE in the order of the names."""
import datetime
import json
import re
import sys

COMBINED = re.compile(
    r'(?P<host>\S+) (?P<ident>\S+) (?P<user>\S+) \[(?P<time>[^\]]+)\] '
    r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) (?P<bytes>\d+|-) '
    r'"(?P<referer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"')


def combined(lines):
    for line in lines:
        match = COMBINED.fullmatch(line)
        if not match:
            sys.exit(f"not in the combined format: {line}")
        values = match.groupdict()
        datetime.datetime.strptime(values["time"], "%d/%b/%Y:%H:%M:%S %z")
        yield values


def json_lines(lines):
    for line in lines:
        values = json.loads(line)
        datetime.datetime.fromisoformat(values["time_iso8601"])
        for name in ("status", "request_time", "body_bytes_sent", "queue_time", "utime"):
            if not isinstance(values[name], (int, float, type(None))):
                sys.exit(f"{name} is no number: {line}")
        yield values


def w3c(lines):
    fields = None
    for number, line in enumerate(lines):
        if line.startswith("#Fields: "):
            fields = line.split()[1:]
        elif line.startswith("#"):
            if number > 1 or not re.match(r"#(Version: 1\.0|Date: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d)$", line):
                sys.exit(f"not a directive, or not where it belongs: {line}")
        else:
            values = line.split(" ")
            if not fields or len(values) != len(fields):
                sys.exit(f"not as many values as fields: {line}")
            datetime.datetime.strptime(values[0] + values[1], "%Y-%m-%d%H:%M:%S")
            float(values[fields.index("time-taken")])
            yield dict(zip(fields, values))


readers = {"combined": combined, "json": json_lines, "w3c": w3c}
with open(sys.argv[2], encoding="utf-8", newline="\n") as file:
    for entry in readers[sys.argv[1]](file.read().splitlines()):
        print(" ".join(f"{name}={value}" for name, value in entry.items()))
