#!/usr/bin/env bats
# spawn-fcgi -n: becoming the program, for supervisors that watch it.
#
# shellcheck disable=SC2016 # text for other shells
# shellcheck disable=SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # variables are set in spawn

load lib
load spawn

# Starts in the background as process "program", and waits until it is that program. With a file,
# this is open as descriptor 7.
become() { # NAME [FILE] OPTION...
	local name=$1 with=()

	shift
	if [[ $1 == /* ]]; then
		with=(bash -c 'exec 7>"$0" "$@"' "$1")
		shift
	fi
	start program "${with[@]}" ${TEST_WRAPPER-} "$SPAWN_FCGI" "$@"
	PID=$(pid_of program)
	is_program() { [ "$(cat "/proc/$PID/comm")" = "$name" ] && is_live "$S"; }
	eventually is_program
}

@test "-n becomes the program: same process, same session, socket on descriptor 0" {
	need_proc
	become sleep -n -s "$S" -- /bin/sleep 60
	[[ $(readlink "/proc/$PID/fd/0") == socket:* ]]
	[ "$(ps -o sid= -p "$PID" | tr -d ' ')" != "$PID" ]
}

@test "-n keeps stdout and stderr" {
	need_proc
	become sleep -n -s "$S" -- /bin/sleep 60
	[ "$(readlink "/proc/$PID/fd/1")" = "$T/program.out" ]
	[ "$(readlink "/proc/$PID/fd/2")" = "$T/program.log" ]
	[ "$(cd "/proc/$PID/fd" && echo *)" = "0 1 2" ]
}

@test "-n keeps descriptors above 2, such as a lock, and adds none" {
	need_proc
	become sleep "$T/lock" -n -s "$S" -- /bin/sleep 60
	[ "$(readlink "/proc/$PID/fd/7")" = "$T/lock" ]
	[ "$(cd "/proc/$PID/fd" && echo *)" = "0 1 2 7" ]
}

@test "-n keeps them with another user's rights too" {
	need_users
	become sleep "$T/lock" -n -s "$S" -u "$USER_A" -- /bin/sleep 60
	[ "$(cd "/proc/$PID/fd" && echo *)" = "0 1 2 7" ]
}

@test "with --supervise, -n keeps them from the program" {
	need_proc
	start program bash -c 'exec 7>"$0" "$@"' "$T/lock" ${TEST_WRAPPER-} "$SPAWN_FCGI" -n \
		--supervise -s "$S" -- /bin/sleep 60
	is_supervised() { CHILD=$(pgrep -P "$(pid_of program)" sleep); }
	eventually is_supervised
	[ "$(cd "/proc/$CHILD/fd" && echo *)" = "0 1 2" ]
}

@test "-n ignores -P and -F" {
	need_proc
	become sleep -n -s "$S" -P "$T/pid" -F 5 -- /bin/sleep 60
	nothing_left "$T/pid"
	[ -z "$(pgrep -P "$PID")" ]
}

@test "-n says nothing when all goes well" {
	become sleep -n -n -s "$S" -f 'sleep 60'
	[ ! -s "$T/program.out" ]
	[ ! -s "$T/program.log" ]
}

@test "-n drops rights, and no helper outlives the start" {
	need_users
	become sleep -n -s "$S" -u "$USER_A" -- /bin/sleep 60
	[ "$(status_of "$PID" Uid | cut -d' ' -f2)" = "$(id -u "$USER_A")" ]
	[ -z "$(pgrep -P "$PID")" ]
	nobody_else() { [ "$(pgrep -g "$PID")" = "$PID" ]; }
	eventually nobody_else
	[ -S "$S" ]
}

in_place_fails() { # STATUS TEXT OPTION...
	local wanted=$1 text=$2

	shift 2
	spawn -n "$@"
	[ "$status" = "$wanted" ]
	[[ $stderr == *"$text"* ]]
}

@test "-n: a failed exec is reported, with the error's number, and the socket is removed" {
	in_place_fails 2 'spawn-fcgi: exec failed, /no/such: No such file or directory' \
		-s "$S" -- /no/such
	nothing_left "$S"
}

@test "-n: the socket is removed even after rights were given up" {
	need_users
	in_place_fails 2 'exec failed' -s "$S" -u "$USER_A" -- /no/such
	nothing_left "$S"
	in_place_fails 255 '/no/such' -s "$S" -u "$USER_A" -d /no/such -- /bin/sleep 60
	nothing_left "$S"
}

@test "-n: the socket is removed from inside the chroot" {
	need_users
	jail /bin/sleep
	export ASAN_OPTIONS=detect_leaks=0 # it needs /proc
	in_place_fails 2 'exec failed' -s /s -c "$T/jail" -u "$USER_A" -- /no/such
	nothing_left "$T/jail/s"
	in_place_fails 2 'exec failed' -S -s "$S" -c "$T/jail" -u "$USER_A" -- /no/such
	nothing_left "$S"
}

@test "-n: the socket is removed from where it was made, not from under -d" {
	mkdir "$T/here"
	echo precious >"$T/here/s"
	cd "$T"
	in_place_fails 2 'exec failed' -s s -d "$T/here" -- /no/such
	nothing_left "$S"
	[ "$(cat "$T/here/s")" = precious ]
}

@test "-n: as process 1, the program has no children that it does not know" {
	need_users
	need unshare
	unshare -p --fork true || skip 'no process namespaces here'
	start program unshare -p --fork --kill-child "$SPAWN_FCGI" -n -s "$S" -u "$USER_A" \
		-- /bin/sleep 60
	is_running() { PID=$(pgrep -P "$(pid_of program)" sleep); }
	eventually is_running
	local children

	children=$(pgrep -P "$PID" || :)
	kill -KILL "$PID" # process 1 minds no other signal
	[ -z "$children" ]
}

@test "-n leaves alone what a service manager passes, and tells of it" {
	run run_under env LISTEN_PID=1 LISTEN_FDS=1 "$SPAWN_FCGI" -n -s "$S" -- /usr/bin/env
	[ "$status" = 0 ]
	[[ $output == *LISTEN_PID=1* && $output == *LISTEN_FDS=1* ]]
}
