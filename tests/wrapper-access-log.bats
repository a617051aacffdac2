#!/usr/bin/env bats
# The access log of fcgiwrap.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

LETTERS='%m %r %s %B %x %k'

# line PATTERN [FILE]: the access log gets such a line, whole.
line() {
	in_file "^$1\$" "${2:-$T/access}" || { cat "${2:-$T/access}"; return 1; }
}

# has_lines COUNT [FILE]
has_lines() {
	[ "$(wc -l <"${2:-$T/access}")" = "$1" ]
}

@test "the usual format is php-fpm's" {
	start_wrapper --access-log "$T/access"
	ask get "$CGI/hello.sh" REMOTE_ADDR=192.0.2.7 SCRIPT_NAME=/cgi/hello.sh REQUEST_METHOD=GET
	line '192.0.2.7 - - [0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9:]{8} [+-][0-9]{4} "GET /cgi/hello.sh" 200'
	[ "$(stat -c %a "$T/access")" = 640 ]
}

@test "each request has a line, over kept and shared connections, too" {
	start_wrapper --access-log "$T/access" --access-format '%{N}e %s'
	ask begin id=1 keep params SCRIPT_FILENAME="$CGI/hello.sh" N=1 params-end stdin-end \
		begin id=2 keep params SCRIPT_FILENAME="$CGI/hello.sh" N=2 params-end stdin-end \
		read-all begin id=1 params SCRIPT_FILENAME="$CGI/none" N=3 params-end stdin-end read-all
	line '1 200'
	line '2 200'
	line '3 404'
	has_lines 3
}

@test "a line has what the script has done" {
	script busy <<-'END'
		#!/bin/sh
		printf 'Status: 404 Nothing\nContent-Type: text/x\n\n12345'
		i=0
		while [ $i -lt 20000 ]; do i=$((i + 1)); done
		exit 7
	END
	start_wrapper --access-log "$T/access" \
		--access-format '%s %B %x %k %f %{Content-Type}o %{user-seconds}C %M'
	ask get "$T/busy"
	line "404 5 7 (cold|warm) $T/busy text/x 0\.[0-9]+ [0-9]{5,}"
	run ! grep -q '0\.000000' "$T/access"
}

@test "a line has how long a request waited, its script took to start, and all took" {
	local took waited

	start_wrapper -c 1 --max-scripts 1 --access-log "$T/access" \
		--access-format '%{SCRIPT_FILENAME}e %{milliseconds}d %{milliseconds}w'
	start_queued "$CGI/wait.sh" "$CGI/hello.sh"
	sleep 0.2
	touch "$T/go"
	await queued
	line "$CGI/hello.sh [0-9]+\.000 [0-9]+\.000"
	read -r took waited < <(sed -n "s|^$CGI/hello.sh ||p" "$T/access")
	[ "${waited%.*}" -ge 200 ]
	[ "${took%.*}" -ge "${waited%.*}" ]
}

@test "bytes of bodies are counted" {
	start_wrapper --access-log "$T/access" --access-format '%N %B'
	ask request "$CGI/sum.sh" CONTENT_LENGTH=300000 stdin-zero 300000 stdin-end expect-end app=0
	line '300000 [0-9]+'
}

@test "bytes of our own responses are counted, too, and the pool has the name it is given" {
	start_wrapper --access-log "$T/access" --access-format '%n %r %s %B' --pool-name mail --ping /ping
	ask get "$CGI/none" SCRIPT_NAME=/none
	has $'\r\n\r\n404 Not Found\r'
	line "mail /none 404 $(printf '404 Not Found\r\n' | wc -c)"
	ask get /x SCRIPT_NAME=/ping
	line 'mail /ping 200 4'
	ask get /x SCRIPT_NAME=/ping REQUEST_METHOD=HEAD
	line 'mail /ping 200 0'
}

@test "requests that are refused, ended or cut have lines, which say so" {
	start_wrapper --access-log "$T/access" --access-format '%{N}e %s %x %X' --timeout 200ms
	ask get "$CGI/none" N=1
	line '1 404 - -'
	ask begin keep params SCRIPT_FILENAME="$CGI/hello.sh" N=2 params-end stdin-end expect-end app=0
	line '2 200 0 \+'
	ask begin params SCRIPT_FILENAME="$CGI/wait.sh" QUERY_STRING="$T/never" N=3 params-end stdin-end \
		read-all || :
	line '3 200 - X'
}

@test "a request that its client leaves has 499 for a status, unless one was sent" {
	script silent <<-'END'
		#!/bin/sh
		>"$QUERY_STRING"
		exec sleep 60
	END
	start_wrapper --access-log "$T/access" --access-format '%{N}e %s %X'
	start_client leaves get "$T/silent" QUERY_STRING="$T/runs" N=1
	eventually test -e "$T/runs"
	stop leaves
	line '1 499 X'
	start_waiting leaves N=2
	stop leaves
	line '2 200 X'
}

@test "a request that breaks off before its parameters are whole has one" {
	start_wrapper --access-log "$T/access" --access-format '%m %r %s %f'
	printf '\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0' |
		perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die;
			print $s join "", <STDIN>; close $s' "$T/s"
	line '- - 499 -'
}

@test "what comes from requests forges no line" {
	start_wrapper --access-log "$T/access"
	ask get "$CGI/hello.sh" REMOTE_ADDR=$'192.0.2.7\n192.0.2.8 - - "' REQUEST_METHOD='GE"T' \
		SCRIPT_NAME=$'/x\e[31m'
	line '192\.0\.2\.7\\x0A192\.0\.2\.8\\x20-\\x20-\\x20\\x22 - - .* "GE\\x22T /x\\x1B\[31m" 200'
	has_lines 1
}

@test "combined, json and w3c are read by those who read such logs" {
	local format

	need python3
	# shellcheck disable=SC1003 # a backslash at the end
	for format in combined json w3c; do
		start_wrapper --access-log "$T/$format" --access-format "$format"
		ask get "$CGI/hello.sh" REQUEST_METHOD=GET REQUEST_URI='/x?a="b' SCRIPT_NAME=/x \
			QUERY_STRING='a="b' SERVER_PROTOCOL=HTTP/1.1 REMOTE_ADDR=192.0.2.7 \
			HTTP_USER_AGENT='Moz "5\xff\\\xe2\x80\xa8\x85' REQUEST_ID=ab12
		ask get "$CGI/none" REMOTE_USER='Doe Jo'
		eventually test -s "$T/$format"
		stop wrapper
		run python3 "$FCGI_SOURCE/tests/access-readers.py" "$format" "$T/$format"
		[ "$status" = 0 ]
		[ "${#lines[@]}" = 2 ]
		has 192.0.2.7 404
	done
	has cs-method=GET cs-uri-stem=/x cs-uri-query=a=%22b sc-status=200 x-exit=0
	run python3 "$FCGI_SOURCE/tests/access-readers.py" json "$T/json"
	has 'request_uri=/x?a="b' request_id=ab12 exit=0 signal=None 'remote_user=Doe Jo'
}

@test "w3c begins a new file with its fields, also after a rotation, and an old one not" {
	heeds_hup
	start_wrapper --access-log "$T/access" --access-format w3c
	ask get "$CGI/hello.sh"
	eventually has_lines 4
	[ "$(grep -c '^#Fields: date time' "$T/access")" = 1 ]
	mv "$T/access" "$T/old"
	kill -HUP "$(pid_of wrapper)"
	eventually test -s "$T/access"
	logged reloaded
	ask get "$CGI/hello.sh"
	eventually has_lines 4
	stop wrapper
	start_wrapper --access-log "$T/access" --access-format w3c
	[ "$(grep -c '^#Fields' "$T/access")" = 1 ]
	has_lines 4 "$T/old"
}

@test "after a rotation nobody writes to the old file, also an old worker with a request" {
	heeds_hup
	script slow <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nwaiting\n'
		until [ -e "$QUERY_STRING" ]; do sleep 0.05; done
		echo the last word >&2
	END
	start_wrapper -c 1 --access-log "$T/access" --access-format '%{N}e %s' --log "$T/messages"
	start_client slow begin params SCRIPT_FILENAME="$T/slow" N=1 QUERY_STRING="$T/go" params-end \
		stdin-end expect-text waiting read-all
	eventually grep -q waiting "$T/slow.out"
	mv "$T/access" "$T/old"
	mv "$T/messages" "$T/old-messages"
	kill -HUP "$(pid_of wrapper)"
	eventually grep -q reloaded "$T/messages"
	touch "$T/go"
	await slow
	line '1 200'
	[ ! -s "$T/old" ]
	eventually grep -q 'the last word' "$T/messages"
	not grep 'the last word' "$T/old-messages"
}

@test "--access-suppress leaves a path out, unless it fails" {
	start_wrapper --access-log "$T/access" --access-format '%r %s' --ping /ping \
		--access-suppress /ping --access-suppress /quiet
	ask get /x SCRIPT_NAME=/ping
	ask get "$CGI/hello.sh" SCRIPT_NAME=/quiet
	ask get "$CGI/none" SCRIPT_NAME=/quiet
	ask get "$CGI/hello.sh" SCRIPT_NAME=/loud
	line '/loud 200'
	line '/quiet 404'
	has_lines 2
}

@test "the status page and a ping have lines, too" {
	start_wrapper --access-log "$T/access" --access-format '%r %s' --ping /ping --status /status
	ask get /x SCRIPT_NAME=/ping
	ask get /x SCRIPT_NAME=/status
	line '/ping 200'
	line '/status 200'
}

@test "a full disk stops nobody, and is told once" {
	[ -e /dev/full ] || skip 'no /dev/full here'
	start_wrapper -c 1 --access-log /dev/full
	for _ in 1 2 3; do
		ask get "$CGI/hello.sh"
		has hello
	done
	logged '--access-log /dev/full: a line was lost: No space left on device'
	logged_times 1 'a line was lost'
	stop wrapper
	logged '--access-log /dev/full: 3 lines were lost at the end'
}

@test "a reader that is slow stops nobody, and what was lost is told" {
	mkfifo "$T/access"
	exec {reader}<>"$T/access"
	start_wrapper -c 1 --access-log "$T/access" --access-format "$(printf '%03000d %%s' 0)"
	for _ in {1..30}; do
		ask get "$CGI/hello.sh"
	done
	logged 'a line was lost: '
	start drain cat "$T/access"
	again() { ask get "$CGI/hello.sh" && grep -q 'lines are written again; [0-9]* were lost' "$T/log"; }
	eventually again
	exec {reader}<&-
}

@test "the lines of several workers are whole" {
	start_wrapper -c 4 --access-log "$T/access" --access-format '%s 0123456789abcdef %r'
	crowd 200 20 get "$CGI/hello.sh" SCRIPT_NAME=/x >/dev/null
	eventually has_lines 200
	[ "$(grep -cx '200 0123456789abcdef /x' "$T/access")" = 200 ]
}

@test "standard error is a place, too" {
	start_wrapper --access-log - --access-format 'line %s'
	ask get "$CGI/hello.sh"
	logged '^line 200$'
}

@test "what cannot be is refused at the start" {
	run -1 "$FCGIWRAP" -s "$SOCKET" --access-log "$T/access" --access-format '%m %z'
	has '--access-format: there is no such letter at "%z"'
	[ ! -e "$T/s" ]
	run -1 "$FCGIWRAP" -s "$SOCKET" --access-log "$T/access" --access-format '%m %z' --check
	has '--access-format: there is no such letter at "%z"'
	run -1 "$FCGIWRAP" -s "$SOCKET" --access-log "$T/access" --access-suppress ping
	has '--access-suppress wants a path as in a URL, such as /ping, not "ping"'
	run -1 "$FCGIWRAP" -s "$SOCKET" --access-log "$T/none/access"
	has "--access-log: cannot open $T/none/access"
	run -1 "$FCGIWRAP" -s "$SOCKET" --access-format json
	has '--access-format needs --access-log'
	run -1 "$FCGIWRAP" -s "$SOCKET" --access-log "$T/none/access" --check
	has "--access-log: cannot open $T/none/access"
}
