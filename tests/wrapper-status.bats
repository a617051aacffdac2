#!/usr/bin/env bats
# fcgiwrap --status, --ping, --pool-name: what the page counts and shows. Its formats: status-page.bats.

#
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # what lib.bash sets and reads

load lib
load wrapper

# page [QUERY [STEP...]]: the status page.
page() {
	local query=${1-}

	shift || :
	ask get /nothing SCRIPT_NAME=/status QUERY_STRING="$query" "$@"
}

# shows LABEL PATTERN: in text.
shows() {
	page
	[[ $'\n'$output$'\n' =~ $'\n'"$1":\ +$2$'\n' ]] || { printf 'no %s %s in\n%s\n' "$1" "$2" "$output"; return 1; }
}

# body: $output without the header.
body() {
	printf '%s\n' "$output" | sed '1,/^\r*$/d'
}

@test "--ping is answered with pong, whatever script is named" {
	start_wrapper --ping /ping
	ask get "$CGI/hello.sh" SCRIPT_NAME=/ping
	has 'Content-Type: text/plain' pong
	lacks hello
}

@test "--status has php-fpm's words, and the name of the pool" {
	start_wrapper --status /status --pool-name 'mail & web'
	page
	has_line 'pool:                 mail & web' 'process manager:      static' 'active processes:     0'
	[ -z "$stderr" ]
	stop wrapper
	start_wrapper --status /status
	page
	has_line 'pool:                 fcgiwrap'
}

@test "the page counts among the responses, and not among the unfinished requests" {
	start_wrapper -c 1 --status /status
	shows 'unfinished' 0
	shows 'responses 2xx' 1
	shows 'connections' '[1-9][0-9]*'
}

@test "other paths are for scripts, also those below" {
	start_wrapper --status /status --ping /ping
	ask get "$CGI/hello.sh" SCRIPT_NAME=/status/x
	has hello
	ask get "$CGI/hello.sh" SCRIPT_NAME=/x/ping
	has hello
}

@test "without the options the paths are for scripts" {
	start_wrapper
	ask get "$CGI/hello.sh" SCRIPT_NAME=/status
	has hello
}

@test "responses are counted by class, over all workers" {
	start_wrapper -c 2 --status /status
	crowd 20 4 get "$CGI/hello.sh" expect-text hello
	ask get /does/not/exist
	shows 'responses 2xx' 20
	shows 'responses 4xx' 1
	shows 'refused script' 1
	shows 'cold starts' 20
	shows 'scripts exit 0' 20
}

@test "counts go on after a reload, and after a worker was killed" {
	local worker

	heeds_hup
	start_wrapper -c 1 --status /status
	crowd 5 1 get "$CGI/hello.sh" expect-text hello
	kill -KILL "$(worker)"
	crowd 5 1 get "$CGI/hello.sh" expect-text hello
	worker=$(worker)
	kill -HUP "$(pid_of wrapper)"
	eventually gone "$worker"
	crowd 5 1 get "$CGI/hello.sh" expect-text hello
	shows 'cold starts' 15
}

@test "full shows what runs in any worker, with its client, and hides what has ended" {
	start_wrapper -c 2 --status /status
	start_waiting client1 SCRIPT_NAME=/slow REMOTE_ADDR=192.0.2.7
	start_waiting client2 SCRIPT_NAME=/slow REMOTE_ADDR=192.0.2.8
	shows 'active processes' 2
	page full
	has Running '/slow' 192.0.2.7 192.0.2.8
	touch "$T/go"
	answered client1
	answered client2
	eventually shows 'active processes' 0
	page full
	lacks /slow
}

@test "one that waits for a slot is shown as such, and counted" {
	start_wrapper -c 1 --max-scripts 1 --status /status
	start_waiting client1
	start_client client2 get "$CGI/wait.sh" QUERY_STRING="$T/go"
	eventually shows 'listen queue' 1
	page full
	has 'Getting request information'
	shows 'max children reached' 1
	touch "$T/go"
	answered client1
	await client2
	shows 'listen queue' 0
	shows 'max listen queue' 1
}

@test "a client that leaves is counted as such" {
	start_wrapper -c 1 --status /status
	start_waiting client1
	shows 'aborted' 0
	kill -KILL "$(pid_of client1)"
	eventually shows 'aborted' 1
	shows 'responses 2xx' '[1-9][0-9]*'
	shows 'cut' 0
}

@test "bytes and time of a request are shown while it runs, and its bytes are counted afterwards" {
	need perl
	start_wrapper -c 1 --status /status
	start_waiting client1
	page 'json&full'
	body | perl -MJSON::PP -e '
		my $p = decode_json(join "", <STDIN>)->{processes}[0];
		exit !($p->{"bytes out"} > 10 && $p->{"request duration"} > 0)' || { body; false; }
	touch "$T/go"
	answered client1
	eventually shows 'active processes' 0
	shows 'bytes in' 0
	ask post "$CGI/sum.sh" 'a body'
	eventually shows 'active processes' 0
	shows 'bytes in' 6
	shows 'bytes out' '[1-9][0-9]+'
}

@test "who is ended by --timeout is slow" {
	start_wrapper -c 1 --status /status --timeout 500ms
	ask get "$CGI/sleep.sh"
	has 504
	shows 'slow requests' 1
	shows 'failed time' 1
}

@test "warm starts are counted apart from cold ones" {
	need perl
	run timeout 10 "$FCGIWRAP" --warm / </dev/null
	[[ $output != *'not available'* ]] || skip 'no warm starts in this build'
	printf '#!%s\nprint "Content-Type: text/plain\\n\\n";\n' "$(command -v perl)" | script warm.pl
	start_wrapper -c 1 --status /status --warm "$(command -v perl)=strict"
	warm_is_counted() {
		ask get "$T/warm.pl" && shows 'warm starts' '[1-9][0-9]*'
	}
	eventually warm_is_counted
}

@test "the page for people has limits, and charts of the time that is over" {
	start_wrapper -c 1 --status /status --max-background 77
	page html
	has 'of 77' 'Requests, per second</title><desc id=d0>now 0,'
	has_chart() {
		page html
		[[ $output =~ 'Requests, per second</title><desc id='[a-z0-9]+'>now '[0-9.]*[1-9] ]]
	}
	eventually -t 30 has_chart
}

@test "the page is answered while all slots and the queue are full" {
	start_wrapper -c 1 --max-scripts 1 --queue 0 --status /status
	start_waiting client1
	page json
	has '"active processes":1'
	ask get "$CGI/hello.sh"
	has 503
	shows 'refused queue' 1
	touch "$T/go"
	answered client1
}

@test "how scripts end, and what they use, is counted" {
	start_wrapper --status /status
	script killed.sh <<-'END'
		#!/bin/sh
		kill -KILL $$
	END
	script failing.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\n'
		exit 3
	END
	ask get "$T/killed.sh"
	ask get "$T/failing.sh"
	eventually shows 'scripts killed' 1
	shows 'scripts exit else' 1
	shows 'scripts answer 5xx' 0
	ask get "$CGI/status.sh" QUERY_STRING="500 Broken"
	shows 'scripts answer 5xx' 1
	script busy.sh <<-'END'
		#!/bin/sh
		i=0
		while [ $i -lt 100000 ]; do i=$((i + 1)); done
		printf 'Content-Type: text/plain\n\n'
	END
	ask get "$T/busy.sh"
	eventually shows 'cpu user ms' '[1-9][0-9]+'
	shows 'failed response' 1
	shows 'memory peak' '[1-9][0-9]{6,}'
}

@test "all formats of a page with requests are read by their readers" {
	need_prometheus
	start_wrapper -c 2 --max-scripts 3 --status /status
	start_waiting client1 SCRIPT_NAME='/<slow>&"x' REMOTE_ADDR=2001:db8::7
	crowd 10 2 get "$CGI/hello.sh" expect-text hello
	page 'json&full'
	body | "$python" -c '
import json, sys
page = json.load(sys.stdin)
assert page["accepted conn"] == 12 and page["active processes"] == 1, page
assert page["processes"][0]["request uri"].startswith("/<slow>&\"x"), page["processes"]'
	page 'xml&full'
	body | "$python" -c 'import sys, xml.dom.minidom as dom; dom.parse(sys.stdin.buffer)'
	page openmetrics
	body | "$python" -c '
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
found = {s.name: s.value for f in parse(sys.stdin.read()) for s in f.samples}
assert found["fcgiwrap_script_seconds_count"] == 10, found
assert found["fcgiwrap_process_limit_reached_total"] == 0, found'
	page 'html&full'
	has '&lt;slow&gt;' '</html>'
	lacks '<slow>'
	touch "$T/go"
	answered client1
}

@test "HEAD gets the header alone" {
	start_wrapper --status /status
	ask get /nothing SCRIPT_NAME=/status REQUEST_METHOD=HEAD
	has 'Content-Type: text/plain'
	lacks pool:
}

@test "--status and --ping want different paths, and --pool-name wants --status" {
	run "$FCGIWRAP" -s "$SOCKET" --status status
	[ "$status" = 1 ] && has '--status wants a path as in a URL, such as /status, not "status"'
	run "$FCGIWRAP" -s "$SOCKET" --status /x --ping /x
	[ "$status" = 1 ] && has '--status and --ping cannot have the same path /x'
	run "$FCGIWRAP" -s "$SOCKET" --pool-name x
	[ "$status" = 1 ] && has '--pool-name needs --status'
}
