#!/usr/bin/env bats
# fcgiwrap after a time in which it did not run: stopped, or on a suspended machine. What has come
# meanwhile counts before the time-outs that have passed.
#
# shellcheck disable=SC2016,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

is_stopped() {
	[[ $(ps -o stat= -p "$1") == T* ]]
}

# stop_for SECONDS [COMMAND...]: fcgiwrap does not run for so long, while this is done.
stop_for() {
	local pid seconds=$1

	shift
	pid=$(worker)
	kill -STOP "$pid"
	eventually is_stopped "$pid"
	"$@"
	sleep "$seconds"
	kill -CONT "$pid"
}

@test "a body that arrived while fcgiwrap was stopped is not late" {
	start_wrapper -c 1 --client-timeout 4
	start_client client trace "$T/trace" request "$CGI/sum.sh" CONTENT_LENGTH=200000 keep \
		stdin-zero 100000 get-values FCGI_MPXS_CONNS= await "$T/go" stdin-zero 100000 \
		stdin-end expect-text bytes=200000 expect-end app=0
	in_file GET_VALUES_RESULT "$T/trace"
	stop_for 5.5 touch "$T/go"
	await client
	[ "$STATUS" = 0 ] || { cat "$T/client.out" "$T/client.log" "$T/log"; return 1; }
	[ ! -s "$T/log" ]
}

@test "a kept connection whose next request arrived while fcgiwrap was stopped is not closed" {
	start_wrapper -c 1 --idle-timeout 4
	start_client client trace "$T/trace" get "$CGI/hello.sh" keep await "$T/go" \
		get "$CGI/hello.sh" expect-end app=0
	in_file END_REQUEST "$T/trace"
	stop_for 5.5 touch "$T/go"
	await client
	[ "$STATUS" = 0 ]
}

@test "what a script wrote while fcgiwrap was stopped ends its silence" {
	script late.sh <<-END
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nfirst\n'
		until [ -e $T/go ]; do sleep 0.1; done
		echo second
		until [ -e $T/end ]; do sleep 0.1; done
	END
	start_wrapper -c 1 --silence-timeout 4
	start_client client get "$T/late.sh" expect-text second expect-end app=0
	in_file first "$T/client.out"
	stop_for 5.5 touch "$T/go"
	in_file second "$T/client.out"
	touch "$T/end"
	await client
	[ "$STATUS" = 0 ]
}

@test "a client that sent nothing meanwhile is given up" {
	script reads.sh <<-'END'
		#!/bin/sh
		body=$(cat)
		printf 'Content-Type: text/plain\n\n%s\n' "$body"
	END
	start_wrapper -c 1 --client-timeout 1
	start_client client trace "$T/trace" request "$T/reads.sh" CONTENT_LENGTH=10 \
		stdin 12345 get-values FCGI_MPXS_CONNS= expect-text 'Status: 408' expect-end
	in_file GET_VALUES_RESULT "$T/trace"
	stop_for 1.5
	await client
	[ "$STATUS" = 0 ]
}
