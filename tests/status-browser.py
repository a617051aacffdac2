#!/usr/bin/env python3
"""Looks at status pages in a browser:  status-browser.py SAMPLE BROWSER FOLDER

A page of the test's own shows them in frames of a phone's and a desktop's width, light and dark, and
measures them. Fails with what a person would not have liked. FOLDER is for the browser's files."""
import http.server
import json
import re
import subprocess
import sys
import threading

SAMPLE, BROWSER, FOLDER = sys.argv[1:]

FRAMES = [("busy", "html&full", 390, "light"), ("busy", "html&full", 390, "dark"),
          ("busy", "html", 1280, "dark"), ("hostile", "html&full", 390, "light"), ("fresh", "html", 390, "light")]

LOOK = """<!DOCTYPE html><title>look</title><link rel=icon href="data:,"><body>%s<pre id=found></pre><script>
addEventListener("load", () => {
	const found = [...document.querySelectorAll("iframe")].map(frame => {
		const page = frame.contentDocument, root = page.documentElement, body = getComputedStyle(page.body);
		const high = page.querySelector(".chart .line"), table = page.querySelector(".scroll");
		return { wide: root.scrollWidth, room: root.clientWidth, paper: body.backgroundColor,
			ink: body.color, scripts: page.scripts.length, titles: page.title,
			chart: high ? high.getBoundingClientRect().height : 0,
			rows: page.querySelectorAll("tbody tr").length,
			hidden: table ? table.scrollWidth - table.clientWidth : 0 };
	});
	document.getElementById("found").textContent = JSON.stringify(found);
});
</script>"""


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name, _, query = self.path.lstrip("/").partition("?")
        if name == "look":
            # A page in a frame is dark or light as its frame is.
            frames = "".join(f"<iframe src='/{n}?{q.replace('&', '&amp;')}' width={w} height=600 "
                             f"style='color-scheme:{scheme}'></iframe>" for n, q, w, scheme in FRAMES)
            head, body = "Content-Type: text/html", (LOOK % frames).encode()
        else:
            out = subprocess.run([SAMPLE, name, query], stdout=subprocess.PIPE, check=True).stdout
            head, body = out.split(b"\r\n\r\n", 1)
            head = head.decode()
        self.send_response(200)
        for line in head.split("\r\n"):
            self.send_header(*line.split(": ", 1))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def look(port):
    shown = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--enable-logging=stderr", f"--user-data-dir={FOLDER}/browser", "--dump-dom",
         f"http://127.0.0.1:{port}/look"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, text=True)
    said = [line for line in shown.stderr.split("\n") if "CONSOLE" in line]
    assert not said, said
    found = re.search(r'<pre id="found">(\[.*\])</pre>', shown.stdout)
    assert found, "the browser shows nothing: " + shown.stderr[-2000:]
    return json.loads(found[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))


def luminance(colour):
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (p / 12.92 if p <= .03928 else ((p + .055) / 1.055) ** 2.4 for p in parts)
    return .2126 * red + .7152 * green + .0722 * blue


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
papers = {}
for (name, query, width, scheme), page in zip(FRAMES, look(server.server_port)):
    what = f"{name}?{query}, {width} pixels, {scheme}: {page}"
    assert width - 20 <= page["room"] <= width, "no frame: " + what
    assert page["wide"] <= page["room"] and page["hidden"] <= 0, "scrolls sideways: " + what
    assert page["scripts"] == 0, "has scripts: " + what
    assert page["rows"] == ({"busy": 8, "hostile": 300}[name] if "full" in query else 0), what
    assert name == "fresh" or page["chart"] > 20, "no chart: " + what
    papers[scheme] = luminance(page["paper"])
    light, dark = sorted((luminance(page["paper"]), luminance(page["ink"])), reverse=True)
    assert (light + .05) / (dark + .05) > 7, "hard to read: " + what
assert papers["light"] > .8 > .1 > papers["dark"], papers
