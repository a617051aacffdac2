#!/usr/bin/env bats
# --slow-log: a script that takes long is described while it runs, and again at its end.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

need_portrait() {
	[ -e "$FCGI_BUILD/common/portrait-linux.o" ] || skip 'built without a look into /proc'
}

@test "a script that takes longer is told once, and again at its end" {
	start_wrapper -c 1 --slow-log 100ms
	start_waiting slow
	logged "script $CGI/wait.sh: slow: runs for more than 0\.[0-9]+ s \(--slow-log\), with 0 bytes received and [0-9]+ sent"
	touch "$T/go"
	answered slow
	logged "script $CGI/wait.sh: slow: exited with status 0 after [0-9.]+ s"
	logged_times 1 'slow: runs for more'
	logged_times 1 'slow: exited'
}

@test "the description has command, state, what it waits for, and its children" {
	need_portrait
	script parent <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nhello\n'
		sleep 1234
	END
	start_wrapper -c 1 --slow-log 100ms --timeout 5
	start_client slow get "$T/parent" REQUEST_ID=ab12
	logged "request ab12: script $T/parent: slow: command /bin/sh $T/parent$"
	logged "script $T/parent: slow: process [0-9]+ \(parent\) sleeps.*; [0-9.]+ s of processor time, [0-9]+ kB$"
	logged "script $T/parent: slow: its child [0-9]+ \(sleep\) "
	logged_times 1 'slow: command'
}

@test "it has what the script last said" {
	script chatty <<-'END'
		#!/bin/sh
		echo 'opening the database' >&2
		printf 'Content-Type: text/plain\n\n'
		while [ ! -e "$QUERY_STRING" ]; do sleep 0.05; done
	END
	start_wrapper -c 1 --slow-log 200ms
	start_client slow get "$T/chatty" QUERY_STRING="$T/go"
	logged 'slow: runs for more .*; it said: opening the database$'
	touch "$T/go"
	await slow
}

@test "a script whose client leaves is told at its end, too" {
	start_wrapper -c 1 --slow-log 100ms --timeout 300ms
	start_client slow request "$CGI/wait.sh" QUERY_STRING="$T/never" stdin-end read-all
	logged 'slow: runs for more'
	logged 'slow: (its request has ended|was killed .*|exited .*) after [0-9.]+ s$'
}

@test "a script that is quick is not told, nor any without the option" {
	start_wrapper -c 1 --slow-log 60
	ask get "$CGI/hello.sh"
	stop wrapper
	run ! grep 'slow' "$T/log"
	start_wrapper -c 1
	start_waiting slow
	sleep 0.3
	touch "$T/go"
	answered slow
	run ! grep 'slow' "$T/log"
}

@test "the status page counts them" {
	start_wrapper -c 1 --slow-log 100ms --status /status
	start_waiting slow
	logged 'slow: runs for more'
	touch "$T/go"
	answered slow
	ask get /x SCRIPT_NAME=/status
	has 'slow requests:        1'
}


@test "where a thread is refused, the description is missing, and that is said" {
	need_portrait
	start_wrapper -c 1 --slow-log 100ms
	refuse_threads "$(worker)"
	start_waiting slow
	logged 'slow: runs for more'
	logged '--slow-log: cannot describe what takes long: Resource temporarily unavailable'
	touch "$T/go"
	answered slow
}
