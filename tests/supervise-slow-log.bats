#!/usr/bin/env bats
# spawn-fcgi --supervise --slow-log: who is busy with one request for long is described once, while
# it is, and again when it is done.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

# Whether the system shows that something passes over the connections of a process.
need_traffic() {
	need_census
	perl -e '$p = syscall(434, $$ + 0, 0); exit($p < 0 || syscall(438, $p, 0, 0) < 0)' ||
		skip 'connections cannot be watched here'
}

# ask_slowly: a request in the background that is answered once there is a file $T/go.
ask_slowly() {
	start slow "$FCGI_TALK" "$SOCKET" timeout 60 get /x QUERY_STRING="wait=$T/go"
}

@test "a process is told and described, and told again when it is done" {
	local pid

	need_traffic
	need_app
	supervise -s "$S" --slow-log 1 -- "$APP" naive
	pid=$(children)
	ask_slowly
	logged "slow: process $pid is busy with one request for more than 1 s \(--slow-log\)"
	logged 'slow: command .*perl.* '
	logged "slow: process $pid \(.*\) sleeps.*; [0-9.]+ s of processor time, [0-9]+ kB"
	touch "$T/go"
	await slow
	logged "slow: process $pid is done with it, after [0-9.]+ s"
	logged_times 1 'is busy with one request'
	[ "$(children)" = "$pid" ]
}

@test "each slow request of a process is told" {
	need_traffic
	need_app
	supervise -s "$S" --slow-log 300ms -- "$APP" naive
	for i in 1 2; do
		ask_slowly
		eventually logged_times "$i" 'is busy with one request'
		touch "$T/go"
		await slow
		eventually logged_times "$i" 'is done with it'
		rm "$T/go"
	done
}

@test "quick requests are not told, nor who waits for one" {
	need_traffic
	need_app
	supervise -s "$S" --slow-log 3 -- "$APP" naive
	ask
	sleep 4
	ask
	logged_times 0 'slow: '
}

@test "--request-timeout goes on beside it" {
	need_traffic
	need_app
	supervise -s "$S" --slow-log 500ms --request-timeout 2 -- "$APP" naive
	ask_slowly
	logged 'is busy with one request for more than 0.5 s \(--slow-log\)'
	logged 'has been busy with one request for more than 2 s \(--request-timeout\); ending it'
	eventually gone "$(pid_of slow)"
	ask
}

@test "the status counts them" {
	need_traffic
	need_app
	supervise -s "$S" --status "$T/status" --slow-log 300ms -- "$APP" naive
	ask_slowly
	logged 'slow: process'
	output=$("$SPAWN_FCGI" --request "$T/status" /status)
	[[ $output =~ slow\ requests:\ +1 ]]
	touch "$T/go"
	await slow
}

@test "without a look at connections it is said not to be watched" {
	[ ! -e "$FCGI_BUILD/spawn/serving-linux.o" ] || skip 'connections are seen here'
	need_app
	supervise -s "$S" --slow-log 1 -- "$APP" naive
	logged 'slow-log is not watched on this system'
}
