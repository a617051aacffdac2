#!/usr/bin/env python3
"""Reads a status page as others do, by their rules:  status-readers.py READER SAMPLE

SAMPLE is the program tests/status-sample. Fails with what a reader would have missed."""
import json
import re
import subprocess
import sys
import xml.dom.minidom
from html.parser import HTMLParser

SAMPLE = sys.argv[2]
PAGES = "busy", "fresh", "hostile"
STATES = ("Idle", "Running", "Finishing", "Reading headers", "Getting request information", "Ending")


def response(page, *arguments):
    out = subprocess.run([SAMPLE, page, *arguments], stdout=subprocess.PIPE, check=True).stdout
    head, body = out.decode("utf-8").split("\r\n\r\n", 1)
    header = dict(line.split(": ", 1) for line in head.split("\r\n"))
    assert int(header["Content-Length"]) == len(body.encode()), "Content-Length"
    return header, body


def body(page, *arguments):
    return response(page, *arguments)[1]


def same(found, wanted):
    assert found == wanted, f"{found!r} instead of {wanted!r}"


# ---------------------------------------------------------------------------- text

def telegraf():
    """Lines are split at colons; numbers belong to the pool named before."""
    names = ("start since", "accepted conn", "listen queue", "max listen queue", "listen queue len",
             "idle processes", "active processes", "total processes", "max active processes",
             "max children reached", "slow requests")
    pools, pool = {}, None
    for line in body("busy", "").split("\n"):
        parts = line.split(":")
        if len(parts) < 2:
            continue
        name, value = parts[0].strip(" "), parts[1].strip(" ")
        if name == "pool":
            pool = value
            pools[pool] = {}
        elif name in names:
            assert name not in pools[pool], f"{name} comes twice"
            pools[pool][name] = int(value)
    same(pools, {"www": dict(zip(names, (273842, 40560, 3, 64, 511, 2, 6, 8, 8, 17, 5)))})


def bakins():
    """Each line with a whole number counts by its whole label."""
    labels = {"accepted conn": 40560, "listen queue": 3, "max listen queue": 64, "listen queue len": 511,
              "idle processes": 2, "active processes": 6, "max active processes": 8,
              "max children reached": 17, "slow requests": 5}
    found = {}
    for label, value in re.findall(r"(?m)^(.*):\s+(.*)$", body("busy", "")):
        if label in labels and re.fullmatch(r"[+-]?\d+", value):
            assert label not in found, f"{label} comes twice"
            found[label] = int(value)
    same(found, labels)


def netdata_parts(text):
    """Every line needs a colon; a line of stars begins a process. Lines of 64 KiB end it all."""
    parts = [{}]
    for line in text.split("\n"):
        assert len(line.encode()) < 65536, "a line is too long"
        line = line.strip("\r\n ")
        if line.startswith("***"):
            parts.append({})
        elif line:
            assert ":" in line, f"no colon: {line}"
            key, value = line.split(":", 1)
            parts[-1].setdefault(key.strip(), value.strip())
    return parts


def netdata():
    pool, *processes = netdata_parts(body("busy", "full"))
    for key, value in {"active processes": 6, "max active processes": 8, "idle processes": 2,
                       "accepted conn": 40560, "max children reached": 17, "slow requests": 5}.items():
        same(int(pool[key]), value)
    same(len(processes), 8)
    for process in processes:
        assert process["state"] in STATES, process["state"]
        int(process["request duration"])
        float(process["last request cpu"])
        int(process["last request memory"])
    same(len(netdata_parts(body("hostile", "full"))), 301)
    # The older module, in Python, takes each number behind words.
    for key, value in re.findall(r"([a-z][a-z ]+): ([\d.]+)", body("hostile", "")):
        assert key not in ("active processes", "accepted conn", "slow requests"), key


# ---------------------------------------------------------------------------- JSON

POOL_NUMBERS = ("start time", "start since", "accepted conn", "listen queue", "max listen queue",
                "listen queue len", "idle processes", "active processes", "total processes",
                "max active processes", "max children reached", "slow requests")
PROCESS_NUMBERS = ("pid", "start time", "start since", "requests", "request duration", "content length",
                   "last request memory")
PROCESS_STRINGS = "state", "request method", "request uri", "user", "script"


def unique(pairs):
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), f"a key comes twice: {keys}"
    return dict(pairs)


def strict(text):
    def refuse(constant):
        raise ValueError(constant)

    return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)


def hipages():
    """Fourteen keys of these types, and processes with theirs."""
    for page in PAGES:
        text = body(page, "json&full")
        pool = strict(text)
        for key in POOL_NUMBERS:
            assert type(pool[key]) is int, key
        for key in "pool", "process manager":
            assert type(pool[key]) is str, key
        same(list(pool)[:14], ["pool", "process manager", *POOL_NUMBERS])
        same(pool["idle processes"] + pool["active processes"], pool["total processes"])
        for process in pool["processes"]:
            for key in PROCESS_NUMBERS:
                assert type(process[key]) is int, key
            for key in PROCESS_STRINGS:
                assert type(process[key]) is str, key
            assert type(process["last request cpu"]) is float
            assert process["state"] in STATES
        # Its mender of old pages looks for this; between the two, quotes are escaped again.
        uris = re.findall(r',"request uri":"(.*?)","content length":', text)
        same(len(uris), len(pool["processes"]))


def others():
    """Netdata, Datadog, Zabbix and metricbeat take JSON, too."""
    pool = strict(body("busy", "json"))
    assert "processes" not in pool
    same(pool["memory peak"], 187695104)
    same(pool["run time"]["count"], 40560)
    same(pool["responses 5xx"], 43)
    process = strict(body("busy", "json&full"))["processes"][0]
    same(process["request uri"], "/cgi-bin/gitweb.cgi/project.git?a=search;s=x&y=<b>")
    same([process[key] for key in ("client", "bytes in", "bytes out")], ["192.0.2.17", 48213, 1203])
    hostile = strict(body("hostile", "json&full"))["processes"]
    same(hostile[4]["request uri"], "/a\nslow requests: 999\n************************\npid: 1"
         "?/a\nslow requests: 999\n************************\npid: 1")
    same(hostile[2]["request uri"].split("?")[0], "/\u202egpj.exe")
    same(hostile[6]["request uri"], "/\xff\xfe\x80")


# --------------------------------------------------------------------- XML and HTML

def markup():
    """Documents are well-formed; XML has php-fpm's elements in their order."""
    root = xml.dom.minidom.parseString(body("busy", "xml&full")).documentElement
    elements = [node for node in root.childNodes if node.nodeType == node.ELEMENT_NODE]
    same(root.tagName, "status")
    same([node.tagName for node in elements[:16]],
         ["pool", "process-manager", *(key.replace(" ", "-") for key in POOL_NUMBERS), "memory-peak",
          "processes"])
    same([node.firstChild.data for node in elements[2:5]], ["1766951758", "273842", "40560"])
    process = elements[15].getElementsByTagName("process")[0]
    same([node.tagName for node in process.childNodes if node.nodeType == node.ELEMENT_NODE],
         ["pid", "state", "start-time", "start-since", "requests", "request-duration", "request-method",
          "request-uri", "content-length", "user", "script", "last-request-cpu", "last-request-memory",
          "client", "bytes-in", "bytes-out"])
    for page in PAGES:
        for query in "xml", "xml&full":
            xml.dom.minidom.parseString(body(page, query))
        for query in "html", "html&full", "html&full&refresh=5":
            Page(response(page, query))


class Page(HTMLParser):
    """A document whose elements are nested rightly, and which needs nothing from elsewhere."""

    VOID = "meta", "link", "br"
    KNOWN = set("""html head title style body header main footer section nav div p h1 h2 small b i span strong
        bdi time a figure figcaption svg path rect text desc dl dt dd table thead tbody tr th td meta link
        br""".split())

    def __init__(self, whole):
        super().__init__()
        header, text = whole
        self.open, self.ids, self.references = [], [], []
        assert "script" not in header["Content-Security-Policy"], "scripts are allowed"
        self.feed(text)
        self.close()
        same(self.open, [])
        same(len(self.ids), len(set(self.ids)))
        assert set(self.references) <= set(self.ids), "a name of nothing"

    def handle_starttag(self, tag, attributes):
        assert tag in self.KNOWN, f"<{tag}>"
        for name, value in attributes:
            assert not name.startswith("on") and name != "style", name
            if name == "id":
                self.ids.append(value)
            if name == "aria-labelledby":
                self.references += value.split()
            if name in ("href", "src"):
                assert value.startswith("?") or value.startswith("data:"), value
        if tag == "svg":
            assert {"aria-hidden", "aria-labelledby"} & dict(attributes).keys(), "a nameless picture"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        same(tag, self.open.pop())

    def handle_data(self, data):
        assert not re.search("[\0-\10\13-\37\177-\237\u202a-\u202e\u2066-\u2069]", data), repr(data)


# -------------------------------------------------------------------------- metrics

def families(text, open_metrics):
    if open_metrics:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families
    else:
        from prometheus_client.parser import text_string_to_metric_families
    return {family.name: family for family in text_string_to_metric_families(text)}


def prometheus():
    """Strict OpenMetrics, the older format, and php-fpm's names in it."""
    for page in PAGES:
        header, text = response(page, "openmetrics")
        same(header["Content-Type"], "application/openmetrics-text; version=1.0.0; charset=utf-8")
        strict_ones = families(text, True)
        header, text = response(page, "openmetrics", "text/plain;version=0.0.4")
        same(header["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        older = families(text, False)
        same(len(older), len(strict_ones))
        for family in strict_ones.values():
            assert family.documentation, family.name
            for sample in family.samples:
                assert sample.labels["pool"] == ("<b>\"pool\\\n& co" if page == "hostile" else "www")
    ours = families(body("busy", "openmetrics"), True)
    requests = {s.labels["code"]: s.value for s in ours["fcgiwrap_requests"].samples}
    same(requests, {"2xx": 38112, "3xx": 1204, "4xx": 1201, "5xx": 43})
    same({s.name for s in ours["fcgiwrap_requests"].samples}, {"fcgiwrap_requests_total"})
    same((ours["fcgiwrap_script_seconds"].type, ours["fcgiwrap_script_seconds"].unit),
         ("histogram", "seconds"))
    same(ours["fcgiwrap_build"].samples[0].labels, {"pool": "www", "version": "2.0"})


PHPFPM = {"up": ("gauge", 1), "start_since": ("counter", 273842), "accepted_connections": ("counter", 40560),
          "listen_queue": ("gauge", 3), "max_listen_queue": ("counter", 64),
          "listen_queue_length": ("gauge", 511), "idle_processes": ("gauge", 2),
          "active_processes": ("gauge", 6), "total_processes": ("gauge", 8),
          "max_active_processes": ("counter", 8), "max_children_reached": ("counter", 17),
          "slow_requests": ("counter", 5), "memory_peak": ("gauge", 187695104)}


def phpfpm():
    """What dashboards of php-fpm ask for, in its names and types."""
    header, text = response("busy", "openmetrics&phpfpm")
    types = dict(re.findall(r"^# TYPE phpfpm_(\S+) (\S+)$", text, re.M))
    values = dict(re.findall(r"^phpfpm_(\S+) (\d+)$", text, re.M))
    same({name: (types[name], int(values[name])) for name in values}, PHPFPM)
    assert text.endswith("\n# EOF\n")


# ---------------------------------------------------------------------- random bytes

def anything():
    """Whatever bytes requests have, each format can be read."""
    types = len(re.findall("(?m)^# TYPE", body("busy", "openmetrics")))
    for seed in range(40):
        page = str(seed)
        pool = strict(body(page, "json&full"))
        same(len(pool["processes"]), 8)
        same(len(netdata_parts(body(page, "full"))), 9)
        xml.dom.minidom.parseString(body(page, "xml&full"))
        Page(response(page, "html&full"))
        metrics = body(page, "openmetrics")
        same(len(re.findall("(?m)^# TYPE", metrics)), types)
        for line in metrics.split("\n")[:-1]:
            assert re.fullmatch(r'# .*|[a-z_]+\{([a-z]+="([^"\\]|\\["\\n])*",?)+\} \S+', line), line


globals()[sys.argv[1]]()
