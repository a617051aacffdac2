#!/usr/bin/env bats
# Whose scripts fcgiwrap starts next, and how many of one client or of one script it runs at once:
# so that neither a crawler nor a slow script takes everything from the others.
#
# shellcheck disable=SC2034,SC2154 # what lib.bash sets and reads

load lib
load wrapper

CRAWLER=192.0.2.1
VISITOR=198.51.100.1

# Steps that prove, when they are done, that the server has dealt with all before them.
SEEN=(get-values FCGI_MPXS_CONNS= expect-values FCGI_MPXS_CONNS=1)

# A script that leaves its client's address in a list, and ends when there is a file $T/go, or one
# with the number of its line.
make_turns() {
	script turn.sh <<-END
		#!/bin/sh
		echo "\$REMOTE_ADDR \$\$" >>$T/list
		line=\$(sed -n "/ \$\$\$/=" $T/list)
		until [ -e $T/go ] || [ -e $T/go-\$line ]; do sleep 0.02; done
		printf 'Content-Type: text/plain\n\nserved\n'
	END
	: >"$T/list"
}

# How many scripts have begun.
begun() {
	[ "$(wc -l <"$T/list")" = "$1" ]
}

# start_crawl CONNECTIONS [WORD...]: each with 4 requests of one address, which wait when this
# returns, unless they run.
start_crawl() {
	local count=$1 i id request

	shift
	for ((i = 1; i <= count; i++)); do
		request=()
		for id in 1 2 3 4; do
			request+=(id "$id" request "$T/turn.sh" CONTENT_LENGTH=0
				REMOTE_ADDR="192.0.2.$i" keep)
		done
		start_client "crawler$i" trace "$T/trace$i" "${request[@]}" "${SEEN[@]}" read-all
	done
	for ((i = 1; i <= count; i++)); do
		in_file GET_VALUES_RESULT "$T/trace$i"
	done
}

start_visit() {
	start_client visitor trace "$T/trace" request "$T/turn.sh" CONTENT_LENGTH=0 \
		REMOTE_ADDR="$VISITOR" "${SEEN[@]}" expect-text served expect-end app=0
	in_file GET_VALUES_RESULT "$T/trace"
}

# end_script NUMBER: it ends, and the next has begun when this returns.
end_script() {
	local before

	before=$(wc -l <"$T/list")
	: >"$T/go-$1"
	eventually begun $((before + 1))
}

# visited: the script of the visitor has begun.
visited() {
	grep -q "^$VISITOR " "$T/list"
}

all_served() {
	local i

	: >"$T/go"
	for ((i = 1; i <= $1; i++)); do
		await "crawler$i"
		[ "$STATUS" = 0 ]
	done
	await visitor
	[ "$STATUS" = 0 ]
}

# start_waits COUNT SCRIPT STEP...: as many requests for a script like wait.sh, each on a
# connection of its own. $RUN is the number of those started so far.
start_waits() {
	local count=$1 path=$2

	shift 2
	for (( ; count > 0; count--)); do
		start_client "client$((++RUN))" get "$path" QUERY_STRING="$T/go" "$@" expect-end
	done
}

running() {
	[ "$(cat "$T"/client*.out | grep -c '^waiting pid=')" = "$1" ]
}

# remain_running COUNT: and no more begin.
remain_running() {
	eventually running "$1"
	sleep 0.3
	running "$1"
}

all_answered() {
	local i

	: >"$T/go"
	for ((i = 1; i <= RUN; i++)); do
		answered "client$i"
	done
}

setup() {
	RUN=0
	test_begin
}

@test "a visitor is next, however many requests of one network wait, each on its own connection" {
	start_wrapper -c 1 --max-scripts 2
	make_turns
	start_crawl 10
	eventually begun 2
	start_visit
	end_script 2
	visited
	all_served 10
}

@test "with several workers a visitor is among the next when all scripts that ran have ended" {
	local number

	start_wrapper -c 2 --max-scripts 4
	make_turns
	start_crawl 10
	eventually begun 4
	start_visit
	for number in 1 2 3 4; do
		end_script "$number"
	done
	visited
	all_served 10
}

@test "by --fair-by none connections take turns, whoever asks" {
	local number

	start_wrapper -c 1 --max-scripts 1 --fair-by none
	make_turns
	start_crawl 4
	eventually begun 1
	start_visit
	for number in 1 2 3 4; do
		end_script "$number"
	done
	[ "$(cut -d ' ' -f 1 "$T/list" | sort -u | wc -l)" = 4 ]
	not visited
	all_served 4
}

@test "--max-per-client counts in all workers together, and others go on" {
	start_wrapper -c 2 --max-scripts 8 --max-per-client 2
	start_waits 6 "$CGI/wait.sh" REMOTE_ADDR="$CRAWLER"
	remain_running 2
	ask get "$CGI/hello.sh" REMOTE_ADDR="$VISITOR" expect-text hello
	all_answered
}

@test "--max-per-script counts in all workers together, and other scripts go on" {
	start_wrapper -c 2 --max-scripts 8 --max-per-script 2
	start_waits 3 "$CGI/wait.sh" REMOTE_ADDR="$CRAWLER"
	start_waits 3 "$CGI/wait.sh" REMOTE_ADDR="$VISITOR"
	remain_running 2
	ask get "$CGI/hello.sh" REMOTE_ADDR="$CRAWLER" expect-text hello
	all_answered
}

@test "a script is one, whatever its names and the path behind it" {
	start_wrapper -c 1 --max-per-script 1
	ln -s "$CGI/wait.sh" "$T/other.sh"
	start_waits 1 "$CGI/wait.sh"
	start_waits 1 "$CGI/wait.sh/more"
	start_waits 1 "$CGI/../cgi//wait.sh"
	start_waits 1 "$T/other.sh"
	remain_running 1
	all_answered
}

@test "no limit is passed while scripts come and go in all workers, and all requests are answered" {
	local limit

	script count.sh <<-END
		#!/bin/sh
		echo + >>$T/overlap
		sleep 0.02
		echo - >>$T/overlap
		printf 'Content-Type: text/plain\n\ncounted\n'
	END
	for limit in --max-per-script --max-per-client; do
		rm -f "$T/overlap"
		start_wrapper -c 2 --max-scripts 8 "$limit" 3
		crowd 60 20 get "$T/count.sh" REMOTE_ADDR="$CRAWLER" expect-text counted
		[ "$(grep -c + "$T/overlap")" = 60 ]
		[ "$(awk '/\+/ { if (++n > most) most = n } /-/ { n-- } END { print most }' \
			"$T/overlap")" = 3 ]
		stop wrapper
	done
}

@test "beyond --max-per-client and --queue a client is answered with 429, and others are not" {
	start_wrapper -c 1 --max-per-client 1 --queue 0
	start_waiting client1 REMOTE_ADDR="$CRAWLER"
	ask get "$CGI/hello.sh" REMOTE_ADDR="$CRAWLER" expect-end
	has 'Status: 429 Too Many Requests' 'Retry-After: '
	logged 'hello\.sh: refused, since 1 scripts of its client run and 0 requests wait .*--max-per-client'
	ask get "$CGI/hello.sh" REMOTE_ADDR="$VISITOR" expect-text hello
	: >"$T/go"
	answered client1
}

@test "a client that is at its limit for --queue-timeout is answered with 429" {
	start_wrapper -c 1 --max-per-client 1 --queue-timeout 300ms
	start_waiting client1 REMOTE_ADDR="$CRAWLER"
	ask get "$CGI/hello.sh" REMOTE_ADDR="$CRAWLER" expect-end
	has 'Status: 429 Too Many Requests' 'Retry-After: '
	logged 'hello\.sh: not started within 0\.3 s, since 1 scripts of its client run'
	: >"$T/go"
	answered client1
}

@test "beyond --max-per-script a request is answered with 503 when it does not find a place" {
	start_wrapper -c 1 --max-per-script 1 --queue-timeout 300ms
	start_waiting client1
	ask get "$CGI/wait.sh" QUERY_STRING="$T/go" expect-end
	has 'Status: 503 ' 'Retry-After: '
	logged 'wait\.sh: not started within 0\.3 s, since 1 of this script run'
	: >"$T/go"
	answered client1
	stop wrapper
	rm "$T/go"
	start_wrapper -c 1 --max-per-script 1 --queue 0
	start_waiting client1
	ask get "$CGI/wait.sh" QUERY_STRING="$T/go" expect-end
	has 'Status: 503 ' 'Retry-After: '
	logged 'wait\.sh: refused, since 1 of this script run and 0 requests wait .*--max-per-script'
	: >"$T/go"
	answered client1
}

@test "in a full queue the client with most requests gives way to another" {
	local id many=()

	start_wrapper -c 1 --max-scripts 1 --queue 3
	make_turns
	for id in 1 2 3 4; do
		many+=(id "$id" request "$T/turn.sh" CONTENT_LENGTH=0 REMOTE_ADDR="$CRAWLER" keep)
	done
	start_client many trace "$T/trace-many" out 4 "$T/4" "${many[@]}" "${SEEN[@]}" read-all
	in_file GET_VALUES_RESULT "$T/trace-many"
	start_visit
	in_file 'END_REQUEST id=4' "$T/trace-many"
	grep -q 'Status: 503 ' "$T/4"
	logged 'turn\.sh: refused in favour of another client, since 3 requests wait and most are of'
	: >"$T/go"
	await visitor
	[ "$STATUS" = 0 ]
	await many
	[ "$(wc -l <"$T/list")" = 4 ]
}

@test "--fair-by tells clients apart by another parameter" {
	start_wrapper -c 1 --max-per-client 1 --queue 0 --fair-by HTTP_X_FORWARDED_FOR
	start_waiting client1 REMOTE_ADDR=127.0.0.1 HTTP_X_FORWARDED_FOR="10.0.0.1, $CRAWLER"
	ask get "$CGI/hello.sh" REMOTE_ADDR=127.0.0.1 HTTP_X_FORWARDED_FOR="$CRAWLER" expect-end
	has 'Status: 429 '
	ask get "$CGI/hello.sh" REMOTE_ADDR=127.0.0.1 HTTP_X_FORWARDED_FOR="$VISITOR" expect-text hello
	ask get "$CGI/hello.sh" REMOTE_ADDR=127.0.0.1 expect-text hello
	: >"$T/go"
	answered client1
}

@test "who is not known, or by --fair-by none, counts by the connection" {
	start_wrapper -c 1 --max-per-client 1 --queue 0
	start_waiting client1 REMOTE_ADDR=unix:
	ask get "$CGI/hello.sh" REMOTE_ADDR=unix: expect-text hello
	: >"$T/go"
	answered client1
	stop wrapper
	start_wrapper -c 1 --max-per-client 1 --queue 0 --fair-by none
	start_waiting client1 REMOTE_ADDR="$CRAWLER"
	ask get "$CGI/hello.sh" REMOTE_ADDR="$CRAWLER" expect-text hello
	: >"$T/go"
	answered client1
}

@test "a script that works on in the background is no longer counted" {
	start_wrapper -c 1 --max-per-client 1 --max-per-script 1 --queue 0 --background-timeout 1
	script leave.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nat work\n'
		exec sleep 30 >&- 2>&-
	END
	for _ in 1 2 3; do
		ask get "$T/leave.sh" REMOTE_ADDR="$CRAWLER" expect-text 'at work' expect-end app=0
	done
}

@test "what a worker ran that was killed is no longer counted" {
	local worker

	start_wrapper -c 2 --max-per-client 1 --max-per-script 1 --queue-timeout 20
	start_waits 1 "$CGI/wait.sh" REMOTE_ADDR="$CRAWLER"
	eventually running 1
	for worker in $(children_of "$(pid_of wrapper)"); do
		kill -KILL "$worker"
	done
	: >"$T/go"
	crowd 4 4 get "$CGI/wait.sh" QUERY_STRING="$T/go" REMOTE_ADDR="$CRAWLER" expect-text 'done'
}

@test "a --fair-by that cannot be a parameter is refused" {
	run -1 "$FCGIWRAP" -s "$SOCKET" --fair-by X-Forwarded-For
	has '--fair-by' 'HTTP_X_FORWARDED_FOR' '"X-Forwarded-For"'
}
