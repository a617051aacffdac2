#!/usr/bin/env bats
# The status page, by the rules of those who read it.
#
# shellcheck disable=SC2154 # what lib.bash sets

load lib

# reads READER [PYTHON]: the page is read in its way.
reads() {
	need python3
	"${2:-python3}" "$FCGI_SOURCE/tests/status-readers.py" "$1" "$FCGI_BUILD/tests/status-sample"
}

@test "text is read by telegraf" {
	reads telegraf
}

@test "text is read by the exporter of bakins" {
	reads bakins
}

@test "text is read by netdata, whatever clients ask for" {
	reads netdata
}

@test "JSON is read by the exporter of hipages, whatever clients ask for" {
	reads hipages
}

@test "JSON has the same numbers for all others, and ours, and what clients sent as they sent it" {
	reads others
}

@test "XML and HTML are well-formed, and need nothing from elsewhere" {
	reads markup
}

@test "metrics are read by a strict parser of OpenMetrics, and by one of the older format" {
	need_prometheus
	reads prometheus "$python"
}

@test "metrics of php-fpm have its names and types" {
	reads phpfpm
}

@test "any bytes of clients leave each format readable" {
	reads anything
}

@test "a browser shows the page on a phone and on a desktop, light and dark, without a complaint" {
	local browser name

	need python3
	need_no_valgrind
	for name in chromium chromium-browser google-chrome; do
		! browser=$(command -v "$name") || break
	done
	[ -n "$browser" ] || skip 'no chromium here'
	python3 "$FCGI_SOURCE/tests/status-browser.py" "$FCGI_BUILD/tests/status-sample" "$browser" "$T"
}
