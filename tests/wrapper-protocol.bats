#!/usr/bin/env bats
# The FastCGI protocol as fcgiwrap speaks it.
#
# shellcheck disable=SC2016,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

@test "without KEEP_CONN it closes the connection after the answer" {
	start_wrapper
	ask get "$CGI/hello.sh" expect-eof
	has_line hello
}

@test "with KEEP_CONN the connection serves one request after the other" {
	start_wrapper
	ask get "$CGI/hello.sh" keep expect-end app=0 protocol=0 expect-open 50 \
		post "$CGI/echo" 'a body' keep expect-text 'a body' expect-open 50 \
		get "$CGI/env.sh" keep expect-text REQUEST_METHOD=GET expect-open 50
	logged_times 0 .
}

@test "a kept connection is closed after a request without KEEP_CONN" {
	start_wrapper
	ask get "$CGI/hello.sh" keep get "$CGI/hello.sh" expect-eof
}

@test "a client that is still sending gets the answer and no reset" {
	start_wrapper
	ask request "$CGI/answer-early.sh" CONTENT_LENGTH=3000000 deaf stdin-zero 3000000 \
		stdin-end expect-end expect-eof
	has 'Status: 413' 'too large'
}

@test "two requests may come in one write" {
	start_wrapper
	ask out 1 "$T/1" out 2 "$T/2" hold get "$CGI/hello.sh" keep \
		id 2 post "$CGI/echo" 'a body' keep release read-all
	grep -qx hello "$T/1"
	grep -qx 'a body' "$T/2"
}

@test "an end and the next request may come in one write" {
	start_wrapper
	ask request "$CGI/hello.sh" CONTENT_LENGTH=0 keep read \
		hold stdin-end get "$CGI/exit.sh" QUERY_STRING=3 keep release expect-end app=3
}

@test "streams may be cut anywhere" {
	start_wrapper
	ask split 1 post "$CGI/sum.sh" "$(printf '%01000d' 7)" NAME="$(printf '%0300d' 7)"
	has bytes=1000
	ask split 1 get "$CGI/env.sh" LONG="$(printf '%0300d' 7)" EMPTY=
	has_line EMPTY= "LONG=$(printf '%0300d' 7)" 'GATEWAY_INTERFACE=CGI/1.1'
}

@test "bytes may come one at a time" {
	start_wrapper
	ask slice 1 pad 3 post "$CGI/echo" 'one by one' keep get "$CGI/hello.sh"
	has 'one by one' hello
}

@test "records may be padded" {
	local bytes

	start_wrapper
	for bytes in 1 8 255; do
		ask pad "$bytes" split 7 post "$CGI/echo" 'a padded body' A=b \
			expect-text '\r\n\r\na padded body' expect-end app=0
		lacks '#'
	done
}

@test "short strings may have long lengths" {
	start_wrapper
	ask long-lengths get "$CGI/env.sh" SHORT=value EMPTY=
	has_line SHORT=value EMPTY=
}

@test "requests run side by side on one connection" {
	start_wrapper
	ask request "$CGI/wait.sh" QUERY_STRING="$T/go" CONTENT_LENGTH=0 keep \
		expect-text waiting id 2 get "$CGI/hello.sh" keep expect-end app=0 \
		id 3 get "$CGI/exit.sh" QUERY_STRING=4 keep expect-end app=4 id 1 abort read
}

@test "bodies and answers of several requests do not mix" {
	local id

	start_wrapper
	for id in 1 2 300 65535; do
		set -- "$@" out "$id" "$T/out-$id" id "$id" request "$CGI/echo" CONTENT_LENGTH=8 keep
	done
	for id in 1 65535 300 2 300 1 2 65535; do
		set -- "$@" id "$id" stdin "$(printf '%04d' "$((id % 9999))")"
	done
	ask "$@" read-all status
	[ "$(tail -n 1 "$T/out-1")" = 00010001 ]
	[ "$(tail -n 1 "$T/out-2")" = 00020002 ]
	[ "$(tail -n 1 "$T/out-300")" = 03000300 ]
	[ "$(tail -n 1 "$T/out-65535")" = 55415541 ]
	has_line 'id=65535 app=0 protocol=0'
}

@test "a request without KEEP_CONN lets the others on its connection finish" {
	start_wrapper
	start_client client request "$CGI/wait.sh" QUERY_STRING="$T/go" CONTENT_LENGTH=0 keep \
		expect-text waiting id 2 get "$CGI/hello.sh" id 1 expect-end app=0 \
		expect-eof
	in_file '^hello' "$T/client.out"
	: >"$T/go"
	answered client
}

@test "GET_VALUES is answered at once" {
	start_wrapper
	ask get-values FCGI_MPXS_CONNS= FCGI_MAX_CONNS= FCGI_MAX_REQS= \
		expect-values FCGI_MPXS_CONNS=1
}

@test "GET_VALUES is answered with what is known" {
	start_wrapper
	ask trace "$T/trace" get-values FCGI_NONSENSE= expect-values
	has_trace 'GET_VALUES_RESULT id=0 length=0 padding=0'
}

@test "GET_VALUES may come in the midst of a request" {
	start_wrapper
	ask request "$CGI/echo" CONTENT_LENGTH=4 keep stdin ab get-values FCGI_MPXS_CONNS= \
		expect-values FCGI_MPXS_CONNS=1 stdin cd expect-text abcd expect-end app=0
}

@test "a management record of unknown type is answered, and nothing else changes" {
	start_wrapper
	ask record 99 0 '' expect-unknown 99 record 12 0 'some content' expect-unknown 12 \
		get "$CGI/hello.sh"
	has_line hello
}

@test "a flood of questions in one write does no harm" {
	local flood

	start_wrapper
	flood=$(printf '\\x01\\x63\\0\\0\\0\\0\\0\\0%.0s' {1..2000})
	run talk may-close deaf hold raw "$flood" raw "$flood" raw "$flood" raw "$flood" release \
		get-values FCGI_MPXS_CONNS= wait 50
	ask get "$CGI/hello.sh"
	has_line hello
	stop wrapper
	[ "$STATUS" = 0 ]
}

@test "a record of unknown type for a request is ignored" {
	start_wrapper
	ask request "$CGI/echo" CONTENT_LENGTH=4 record 77 1 nonsense stdin ab record 8 1 data \
		record 255 1 '' stdin cd expect-text abcd expect-end app=0
	lacks nonsense data
}

@test "records of ids that are not active are ignored" {
	start_wrapper
	ask record 4 9 params record 5 9 body record 5 9 '' record 2 9 '' record 3 9 '' \
		get "$CGI/hello.sh" keep stdin late stdin-end abort \
		get "$CGI/hello.sh" keep expect-end app=0 expect-open 50
	logged_times 0 .
}

# breaks_off PATTERN STEP...: the server ends the connection at this, and says once why.
breaks_off() {
	local pattern=$1

	shift
	: >"$T/log"
	ask may-close "$@" expect-closed
	logged "$pattern"
	logged_times 1 .
}

@test "what is no FastCGI ends its connection, is logged once, and disturbs nobody" {
	start_wrapper
	start_waiting client
	breaks_off 'does not speak FastCGI 1 .*0x47' raw 'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n'
	breaks_off 'does not speak FastCGI 1 .*0x16' raw '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03'
	breaks_off 'does not speak FastCGI 1 .*0x02' raw '\x02\x01\0\x01\0\x08\0\0\0\x01\0\0\0\0\0\0'
	breaks_off 'does not speak FastCGI 1 .*0x00' raw '\0\0\0\0\0\0\0\0'
	: >"$T/go"
	answered client
}

@test "a request that begins twice ends its connection" {
	start_wrapper
	start_waiting client
	breaks_off 'second FCGI_BEGIN_REQUEST for request 1' begin keep begin keep
	: >"$T/go"
	answered client
}

@test "a beginning of wrong length ends the connection" {
	start_wrapper
	start_waiting client
	breaks_off 'malformed FCGI_BEGIN_REQUEST for request 1' record 1 1 '\0\x01\0'
	breaks_off 'malformed FCGI_BEGIN_REQUEST for request 1' record 1 1 '\0\x01\0\0\0\0\0\0\0'
	: >"$T/go"
	answered client
}

@test "a body before the end of the parameters ends the connection" {
	start_wrapper
	breaks_off 'request 1' begin keep params A=b params-send stdin early
}

@test "a connection that breaks off takes its running scripts along" {
	start_wrapper
	start_client client request "$CGI/wait.sh" QUERY_STRING="$T/go" CONTENT_LENGTH=0 keep \
		expect-text waiting raw nonsense expect-closed
	in_file '^waiting' "$T/client.out"
	await client
	[ "$STATUS" = 0 ]
	eventually gone "$(sed -n 's/^waiting pid=//p' "$T/client.out")"
}

@test "ABORT ends the request at once, and the connection can go on" {
	start_wrapper
	ask request "$CGI/wait.sh" QUERY_STRING="$T/go" CONTENT_LENGTH=0 keep expect-text waiting \
		abort expect-end protocol=0 get "$CGI/hello.sh" keep expect-end app=0
	eventually gone "$(sed -n 's/^waiting pid=//p' <<<"$output")"
}

@test "ABORT sends TERM to the script and its children" {
	start_wrapper
	ask request "$CGI/term.sh" QUERY_STRING="$T/heard" CONTENT_LENGTH=0 keep \
		expect-text script= expect-text child= abort expect-end protocol=0
	in_file '^script$' "$T/heard"
	in_file '^child$' "$T/heard"
}

@test "a script that will not hear TERM is killed after --kill-after" {
	local script

	start_wrapper --kill-after 300ms
	ask request "$CGI/ignore-term.sh" QUERY_STRING=30 CONTENT_LENGTH=0 keep expect-text pid= \
		abort expect-end
	script=$(sed -n 's/^pid=//p' <<<"$output")
	alive "$script"
	eventually gone "$script"
}

@test "ABORT is heard while parameters or body are still to come" {
	start_wrapper
	ask begin keep params A=b params-send abort expect-end protocol=0 \
		request "$CGI/hello.sh" CONTENT_LENGTH= keep stdin part abort expect-end protocol=0 \
		get "$CGI/hello.sh" keep
	has_line hello
}

@test "an unknown role is refused by END_REQUEST" {
	local role

	start_wrapper
	for role in 0 3 4 257; do
		ask begin role="$role" keep expect-end app=0 protocol=3 \
			params A=b params-end stdin-end get "$CGI/hello.sh" keep expect-end app=0
		ask begin role="$role" expect-end protocol=3 expect-eof
	done
}

@test "an authorizer has no body, and does not wait for one" {
	start_wrapper
	ask begin role=2 keep params SCRIPT_FILENAME="$CGI/env.sh" REQUEST_METHOD=POST \
		CONTENT_LENGTH=1000 params-end expect-end app=0
	has_line FCGI_ROLE=AUTHORIZER
}

@test "a request without body does not wait for the end of its body" {
	start_wrapper
	ask request "$CGI/hello.sh" CONTENT_LENGTH=0 keep expect-end app=0 stdin-end \
		get "$CGI/hello.sh" keep expect-end app=0
}

# has_trace LINE...: these records came, in this order, others between them or not.
has_trace() {
	local line rest

	rest=$(cat "$T/trace")
	for line in "$@"; do
		[[ $rest == *"$line"* ]] || { echo "no $line"; cat "$T/trace"; return 1; }
		rest=${rest#*"$line"}
	done
}

@test "the end of STDOUT comes before END_REQUEST" {
	start_wrapper
	ask trace "$T/trace" get "$CGI/hello.sh"
	has_trace 'STDOUT id=1 length=0 ' 'END_REQUEST id=1 length=8 '
	not grep STDERR "$T/trace"
}

@test "an answer without body has an end of STDOUT too" {
	start_wrapper
	ask trace "$T/trace" get "$CGI/no-output.sh"
	has_trace 'STDOUT id=1' 'STDOUT id=1 length=0 ' 'END_REQUEST id=1 length=8 '
}

@test "STDERR comes before the end of STDOUT, and ends too" {
	start_wrapper -f
	ask trace "$T/trace" get "$CGI/stderr.sh"
	has_trace 'STDERR id=1 length=12 ' 'STDOUT id=1 length=0 ' 'STDERR id=1 length=0 ' END_REQUEST
	[ "$(grep -c 'STDERR id=1 length=12' "$T/trace")" = 3 ]
	[ "$(sed -n '/STDOUT id=1 length=0 /,$p' "$T/trace" | grep -c STDERR)" = 1 ]
}

@test "the application status is the script's exit status" {
	local status_

	start_wrapper
	for status_ in 0 1 7 255; do
		ask get "$CGI/exit.sh" QUERY_STRING="$status_" expect-end app="$status_" protocol=0
	done
}

@test "the application status of a script that is killed is 128 and the signal" {
	start_wrapper
	ask get "$CGI/crash.sh" expect-end app=139 protocol=0
}

@test "parameters may have 100 KiB" {
	local half

	start_wrapper
	half=$(printf '%051200d' 5)
	ask get "$CGI/env.sh" A="$half" B="$half"
	has_line A="$half" B="$half"
}

@test "more than 1 MiB of parameters are refused with 431" {
	local half

	start_wrapper
	half=$(printf '%060000d' 5)
	ask get "$CGI/env.sh" A{1..18}="$half" keep get "$CGI/hello.sh"
	has 'Status: 431 '
	has_line hello
	logged 'more than 1048576 bytes of parameters'
}

@test "parameters that end within a pair are refused with 400" {
	start_wrapper
	ask begin record 4 1 '\x04\x09NAMEval' params-end expect-text 'Status: 400 ' expect-end
	logged 'end in the middle of a pair'
}

@test "a request without parameters is refused with 403" {
	start_wrapper
	ask begin params-end expect-text 'Status: 403 ' expect-end
	logged 'names no script'
}

@test "a reset after the answer is nothing to talk about" {
	start_wrapper -s "tcp:127.0.0.1:$(free_port)"
	ask get "$CGI/hello.sh" keep reset
	ask get "$CGI/hello.sh" keep reset connect get "$CGI/hello.sh" expect-eof
	logged_times 0 .
}

@test "an abort in the midst of a large answer leaves its neighbours alone" {
	local policy

	script flood.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\n'
		exec perl -e '$piece = "x" x 65536; 1 while syswrite STDOUT, $piece'
	END
	for policy in kill ignore; do
		start_wrapper --on-abort "$policy" --background-timeout 1
		ask out 1 "$T/1" request "$T/flood.sh" CONTENT_LENGTH=0 keep stdin-end deaf wait 500 abort \
			listen id 2 get "$CGI/hello.sh" keep expect-text hello id 1 expect-end
		stop wrapper
	done
}
