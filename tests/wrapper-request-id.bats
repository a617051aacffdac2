#!/usr/bin/env bats
# The id of a request, and where its time went.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

# get [WORD...]: as ask get, without the carriage returns of a header.
get() {
	ask get "$@"
	output=${output//$'\r'/}
}

# A script that says which id it has, and complains.
speaking() {
	script speak <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nid=%s\n' "$REQUEST_ID$MY_ID"
		echo complaint >&2
	END
}

@test "without an id lines about a request have none" {
	speaking
	start_wrapper
	get "$T/speak"
	has_line id=
	logged "script $T/speak: complaint"
	run ! grep -q '^fcgiwrap: request ' "$T/log"
}

@test "the id that the web server sends as REQUEST_ID is in each line, and in the environment" {
	speaking
	start_wrapper
	get "$T/speak" REQUEST_ID=3f2a-9.B
	has_line id=3f2a-9.B
	logged "request 3f2a-9.B: script $T/speak: complaint"
	get "$T/none" REQUEST_ID=ab12
	logged "request ab12: no such script: $T/none does not exist"
}

@test "an id that could forge a line is not taken for one" {
	speaking
	start_wrapper
	get "$T/speak" REQUEST_ID='1: script /x'
	has_line 'id=1: script /x'
	logged "script $T/speak: complaint"
	run ! grep -q '^fcgiwrap: request ' "$T/log"
}

@test "--request-id names another parameter" {
	speaking
	start_wrapper --request-id MY_ID
	get "$T/speak" MY_ID=abc REQUEST_ID=
	has_line id=abc
	logged "request abc: script $T/speak: complaint"
}

@test "--request-id makes an id where none is sent, or none that is usable" {
	local sent id

	speaking
	start_wrapper --request-id MY_ID -c 1
	for sent in MY_ID= 'MY_ID=a b' "MY_ID=$(printf '%0129d' 0)"; do
		get "$T/speak" "$sent"
		id=$(sed -n 's/^id=//p' <<<"$output")
		[[ $id =~ ^[0-9a-f]{32}$ ]]
		logged "request $id: script $T/speak: complaint"
	done
	get "$T/speak"
	[[ $(sed -n 's/^id=//p' <<<"$output") =~ ^[0-9a-f]{32}$ ]]
}

@test "no two ids that are made are the same, in several workers" {
	speaking
	start_wrapper --request-id MY_ID -c 2
	crowd 40 8 get "$T/speak" >/dev/null
	eventually logged_times 40 "request [0-9a-f]*: script $T/speak\[[0-9]*\]: complaint"
	[ "$(sed -n 's/^fcgiwrap: request \([0-9a-f]*\): .*/\1/p' "$T/log" | sort -u | wc -l)" = 40 ]
}

@test "an error response has the id, for the visitor who reports it" {
	start_wrapper
	get "$T/none" REQUEST_ID=ab12
	has_line 'Status: 404 Not Found' 'X-Request-Id: ab12' 'request ab12'
	get "$T/none"
	lacks X-Request-Id 'request '
}

@test "a reason that is shown does not repeat it" {
	start_wrapper --errors-to-client
	get "$T/none" REQUEST_ID=ab12
	has_line 'request ab12' "no such script: $T/none does not exist"
}

@test "with -f its own lines have it, those of the script are as they were written" {
	speaking
	start_wrapper -f
	get "$T/speak" REQUEST_ID=ab12
	[ "$stderr" = complaint ]
	get "$T/none" REQUEST_ID=ab12
	[ "$stderr" = "request ab12: no such script: $T/none does not exist" ]
}

@test "a warm script has it, too" {
	perl -e 1 2>/dev/null || skip 'no perl here'
	[ -e "$FCGI_BUILD/wrapper/template-linux.o" ] || skip 'no warm starts in this build'
	script warm.pl <<-'END'
		#!/usr/bin/perl
		print "Content-Type: text/plain\n\nid=$ENV{MY_ID}\n";
	END
	start_wrapper --request-id MY_ID --warm /usr/bin/perl=strict
	get "$T/warm.pl" MY_ID=abc
	has_line id=abc
}

@test "an impossible name is refused" {
	run -1 "$FCGIWRAP" -s "$SOCKET" --request-id X-Request-Id
	has '--request-id wants the name of a parameter' '"X-Request-Id"'
	run -1 "$FCGIWRAP" -s "$SOCKET" --request-id ''
	has '--request-id wants the name of a parameter'
}

# timing NAME: what the header says of it, in milliseconds.
timing() {
	sed -n "s/^Server-Timing: .*$1;dur=\([0-9]*\).*/\1/p" <<<"${output//$'\r'/}"
}

@test "--server-timing says how long a request waited, and its script took to start and ran" {
	script slow <<-'END'
		#!/bin/sh
		sleep 0.3
		printf 'Content-Type: text/plain\n\nhello\n'
	END
	start_wrapper --server-timing --max-scripts 1 -c 1
	start_queued "$CGI/wait.sh" "$T/slow"
	sleep 0.2
	touch "$T/go"
	await queued
	output=$(<"$T/queued")
	[ "$(timing queue)" -ge 200 ]
	[ "$(timing run)" -ge 250 ]
	[ "$(timing start)" -lt 10000 ]
}

@test "a header of the script's own stays beside it" {
	script own <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\nServer-Timing: db;dur=3\n\nhello\n'
	END
	start_wrapper --server-timing
	get "$T/own"
	has_line 'Server-Timing: db;dur=3'
	[ "$(grep -c '^Server-Timing: ' <<<"$output")" = 2 ]
}

@test "error responses say it, as far as the request came" {
	start_wrapper --server-timing
	get "$T/none"
	has 'Server-Timing: queue;dur='
	lacks 'run;dur='
	get "$CGI/none" REQUEST_METHOD=HEAD
	has 'Server-Timing: queue;dur='
}

@test "without --server-timing there is no such header" {
	start_wrapper
	get "$CGI/hello.sh"
	lacks Server-Timing
	get "$T/none"
	lacks Server-Timing
}
