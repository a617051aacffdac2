#!/usr/bin/env bats
# Starts that fail: the reason is named, the status tells, and nothing is left.
#
# shellcheck disable=SC2016 # text for other shells
# shellcheck disable=SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # variables are set in spawn

load lib
load spawn

# fails STATUS TEXT OPTION...: such a start.
fails() {
	local wanted=$1 text=$2

	shift 2
	spawn -s "$S" -P "$T/pid" "$@"
	[ "$status" = "$wanted" ]
	[[ $stderr == *"$text"* ]]
	[ -z "$PIDS" ]
	nothing_left "$S" "$T/pid"
}

script() { # FILE LINE...
	local file=$1

	shift
	printf '%s\n' "$@" >"$file"
	chmod 755 "$file"
}

@test "a program that does not exist: 2, ENOENT" {
	fails 2 'exec failed, /no/such: No such file or directory' -- /no/such
	[[ $stderr == *"child exited with: 2"* ]]
}

@test "PATH is not searched, and that is said" {
	fails 2 'PATH is not searched' -- sleep 60
}

@test "a program that may not be executed: 13, EACCES" {
	echo >"$T/program"
	fails 13 "exec failed, $T/program: Permission denied (this user may not execute it" \
		-- "$T/program"
	fails 13 'it is not a file' -- "$T"
}

@test "a script without #! line: 8, ENOEXEC" {
	script "$T/program" 'echo hello'
	fails 8 "exec failed, $T/program: Exec format error (a script needs a first line" \
		-- "$T/program"
}

@test "a missing interpreter is named" {
	need_no_valgrind
	script "$T/program" '#! /no/such/perl -w'
	fails 2 "its interpreter /no/such/perl does not exist" -- "$T/program"
}

@test "an interpreter that is not executable is suspected" {
	need_no_valgrind
	echo >"$T/interpreter"
	script "$T/program" "#!$T/interpreter"
	fails 13 'its interpreter is not executable' -- "$T/program"
}

@test "DOS line ends are recognised" {
	need_no_valgrind
	script "$T/program" $'#!/bin/sh\r' $'sleep 60\r'
	fails 2 'carriage return' -- "$T/program"
}

@test "a directory on the way that may not be searched is suspected" {
	need_users
	mkdir -m 700 "$T/private"
	cp /bin/sleep "$T/private"
	fails 13 'search all directories on the way' -u "$USER_A" -- "$T/private/sleep" 60
}

@test "-f with a command that the shell does not find: 127" {
	fails 127 'child exited with: 127' -f '/no/such arg'
}

@test "-f with a command that may not be executed: 126" {
	echo >"$T/program"
	fails 126 'child exited with: 126' -f "$T/program"
}

@test "a program that ends at once: its status" {
	fails 3 'spawn-fcgi: child exited with: 3' -f 'sh -c "exit 3"'
	fails 255 'spawn-fcgi: child exited with: 255' -f 'sh -c "exit 255"'
}

@test "a program that a signal ends at once: 1, and the signal is named" {
	fails 1 'spawn-fcgi: child signaled: 9' -f 'sh -c "kill -KILL \$\$"'
}

@test "a program that ends well at once is no failure: it may have gone into the background" {
	# A shell gives what it runs in the background another descriptor 0.
	spawn -s "$S" -P "$T/pid" -- /bin/sh -c \
		'exec 3<&0; sleep 60 <&3 3<&- & echo $! >"$0"' "$T/background"
	adopt background "$(cat "$T/background")"
	[ "$status" = 0 ]
	[[ $stderr == *"child exited with: 0"* ]]
	[ -f "$T/pid" ]
	[ ! -s "$T/pid" ]
	is_live "$S"
}

@test "a program that ends after the time of watching was started well" {
	spawn -s "$S" -P "$T/pid" -- /bin/sh -c 'while [ ! -e "$0" ]; do sleep 0.01; done; exit 3' \
		"$T/go"
	touch "$T/go"
	[ "$status" = 0 ]
	[ "$(cat "$T/pid")" = "$PIDS" ]
	eventually gone "$PIDS"
}

@test "what would stop every process is said once" {
	fails 255 "$T/none" -F 5 -d "$T/none" -- /bin/sleep 60
	[ "$(grep -c . <<<"$stderr")" = 1 ]
	fails 2 'exec failed' -F 5 -- /no/such
	[ "$(grep -c 'exec failed' <<<"$stderr")" = 1 ]
}

@test "each of several processes is watched" {
	slow_clock
	cat >"$T/program" <<-'END'
		#!/bin/sh
		# The first to come stays, the others fail after a moment.
		mkdir "$1" 2>/dev/null && exec sleep 60
		sleep 0.03
		exit 4
	END
	chmod +x "$T/program"
	spawn -s "$S" -P "$T/pid" -F 3 -- "$T/program" "$T/first"
	[ "$status" = 4 ]
	[ "$(grep -c 'child exited with: 4' <<<"$stderr")" = 2 ]
	[ "$(wc -w <<<"$PIDS")" = 1 ]
	[ "$(cat "$T/pid")" = "$PIDS" ]
	alive "$PIDS"
	is_live "$S"
}

@test "when all of several processes have failed, nothing is left" {
	fails 5 'child exited with: 5' -F 3 -f 'sh -c "exit 5"'
	[ "$(grep -c 'child exited with: 5' <<<"$stderr")" = 3 ]
}

@test "the watch ends early when nobody is left to watch" {
	need_no_valgrind
	[ "$(uname)" = Linux ] || skip 'time cannot be stretched here'
	slow_clock
	early() {
		local began=$EPOCHREALTIME

		spawn -s "$S" -- /bin/false
		[ $(((${EPOCHREALTIME/./} - ${began/./}) / 1000)) -lt 1900 ]
	}
	eventually early
}

@test "a fork that fails: 255, and what was started before stays known" {
	need_users
	need setpriv
	local uid=$((100000 + $$)) # nobody else's, or their processes would count

	chown "$uid" "$T"
	export ASAN_OPTIONS=detect_leaks=0 # it forks, too
	RUN_BY="setpriv --reuid=$uid --regid=$uid --clear-groups prlimit --nproc=3"
	spawn -s "$S" -P "$T/pid" -F 5 -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *"cannot start process 3 of 5: "* ]]
	[ "$(cat "$T/pid")" = "$PIDS" ]
	[ "$(wc -w <<<"$PIDS")" = 2 ]
	is_live "$S"
}

@test "a stale socket whose successor failed is gone too" {
	make_stale "$S"
	fails 2 'exec failed' -- /no/such
}

@test "an old pid file is removed by a start that has taken the socket and failed" {
	echo 1111111 >"$T/pid"
	fails 2 'exec failed' -- /no/such
}

@test "a start that could not take the socket leaves an old pid file as it is" {
	echo 1111111 >"$T/pid"
	echo precious >"$S"
	spawn -s "$S" -P "$T/pid" -- /bin/sleep 60
	[ "$status" = 255 ]
	[ "$(cat "$T/pid")" = 1111111 ]
}

@test "a new pid file is removed when the socket cannot be had" {
	spawn -s "$T/no/s" -P "$T/pid" -- /bin/sleep 60
	[ "$status" = 255 ]
	nothing_left "$T/pid"
}

@test "a full disk does not stop the program" {
	need_root
	need unshare
	unshare -m true || skip 'cannot mount here'
	mkdir "$T/small"
	capture unshare -m sh -c '
		mount -t tmpfs -o size=4k none "$1/small" && echo fill >"$1/small/fill" &&
		exec "$2" -s "$1/s" -P "$1/small/pid" -- /bin/sleep 60' sh "$T" "$SPAWN_FCGI"
	adopt child "${output##* }"
	[ "$status" = 0 ]
	[[ $stderr == *"writing pid file failed"* ]]
}
