#!/usr/bin/env bats
# spawn-fcgi --supervise and those who watch over it: service managers, containers.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

# supervise_notifying OPTION...: with somebody who listens; what they hear is in $HEARD.
supervise_notifying() {
	HEARD=$T/manager.out
	start manager "$CGI/supervise-listen.pl" "$T/notify"
	eventually test -S "$T/notify"
	NOTIFY_SOCKET=$T/notify supervise "$@"
}

heard_match() {
	eventually has_match "$1" "$HEARD" || { cat "$HEARD"; return 1; }
}

@test "a manager hears when it is ready, and how many processes there are" {
	supervise_notifying -s "$S" -F 2 -- /bin/sleep 60
	heard_match "^READY=1\|MAINPID=$KEEPER$"
	heard_match '^STATUS=2 processes'
}

@test "a manager hears of a reload, when it begins and when it is complete" {
	supervise_notifying -s "$S" -- /bin/sleep 60
	heard_match READY=1
	kill -HUP "$KEEPER"
	heard_match '^RELOADING=1\|MONOTONIC_USEC=[0-9]+$'
	ready_again() { [ "$(grep -c '^READY=1|' "$HEARD")" = 2 ]; }
	eventually ready_again
}

@test "a manager hears when it stops" {
	supervise_notifying -s "$S" -- /bin/sleep 60
	kill -TERM "$KEEPER"
	heard_match '^STOPPING=1$'
	await keeper
}

@test "a manager's watchdog is fed, also after USR2" {
	local fed

	WATCHDOG_USEC=200000 supervise_notifying -s "$S" -- /bin/sleep 60
	fed() { [ "$(grep -c '^WATCHDOG=1$' "$HEARD")" -ge "$1" ]; }
	eventually fed 3
	kill -USR2 "$KEEPER"
	logged 'goes on'
	fed=$(grep -c '^WATCHDOG=1$' "$HEARD")
	eventually fed $((fed + 3))
}

@test "the program does not speak to the manager" {
	need_proc
	supervise_notifying -s "$S" -- /bin/sleep 60
	not grep -E 'NOTIFY_SOCKET|WATCHDOG' <<<"$(environment_of "$(children)")"
}

@test "a manager that is gone is no hindrance" {
	NOTIFY_SOCKET=/no/such/socket supervise -s "$S" -- /bin/sleep 60
	has 1
}

# start_inherited OPTION...: with sockets from a service manager, $S, $S-2 ..., of the names in
# $NAMES.
start_inherited() {
	# shellcheck disable=SC2086 # names are words
	start keeper "$CGI/supervise-inherit.pl" "$S" ${NAMES-name} -- "$SPAWN_FCGI" --supervise -n \
		-P "$T/keeper.pid" "$@"
	eventually test -s "$T/keeper.pid"
	KEEPER=$(cat "$T/keeper.pid")
}

# spawn_inherited NAME... -- OPTION...: the same for a start that fails.
spawn_inherited() {
	local names=()

	while [ "$1" != -- ]; do
		names+=("$1")
		shift
	done
	shift
	RUN_BY="$CGI/supervise-inherit.pl $S ${names[*]} --" spawn --supervise -n "$@" -- /bin/sleep 60
}

@test "LISTEN_FDS: the manager's socket is served, without -s, and stays" {
	need_app
	start_inherited -- "$APP"
	ask
	kill -USR2 "$KEEPER"
	logged 'goes on'
	ask
	not grep LISTEN_ <<<"$(environment_of "$ANSWERED_BY")"
	kill -TERM "$KEEPER"
	await keeper
	[ -S "$S" ]
}

@test "several sockets of LISTEN_FDS: how many, their names, and what to do are told" {
	spawn_inherited web api --
	[ "$status" = 255 ]
	[[ $stderr == *'LISTEN_FDS passes 2 sockets (LISTEN_FDNAMES=web:api)'*'--socket-name'* ]]
}

@test "--socket-name serves one of several sockets" {
	need_app
	NAMES="web api log" start_inherited --socket-name api -- "$APP"
	SOCKET=unix:$S-2
	ask
	kill -USR2 "$KEEPER"
	logged 'goes on'
	ask
	kill -TERM "$KEEPER"
	await keeper
	[ -S "$S-2" ]
}

@test "--socket-name without a socket of this name: those that there are are told" {
	spawn_inherited web api -- --socket-name log
	[ "$status" = 255 ]
	[[ $stderr == *'--socket-name log: '*'none of this name (LISTEN_FDNAMES=web:api)'* ]]
	spawn --supervise -n --socket-name log -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *'--socket-name log: LISTEN_FDS passes 0 sockets'* ]]
}

@test "--socket-name with two sockets of this name is refused" {
	spawn_inherited web web -- --socket-name web
	[ "$status" = 255 ]
	[[ $stderr == *'passes 2 sockets of this name (give each a FileDescriptorName'* ]]
}

@test "LISTEN_FDS and ondemand: nothing runs until somebody connects" {
	need_census
	need_app
	start_inherited --pm ondemand --exit-on-idle 3 -- "$APP"
	has 0
	ask
	await keeper
	[ "$STATUS" = 0 ]
	[ -S "$S" ]
}

@test "LISTEN_FDS of another process is not ours" {
	LISTEN_FDS=1 LISTEN_PID=1 spawn --supervise -n -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *'no socket given'* ]]
}

@test "as process 1 it reaps what others leave behind, and passes TERM on" {
	need_root
	need unshare
	unshare -p --fork true || skip 'no process namespaces here'
	program <<'END'
setsid sh -c 'sleep 0.1 & sleep 0.2' &
trap 'echo program got TERM; exit' TERM
while :; do sleep 0.05; done
END
	start outer unshare -p --fork --kill-child "$SPAWN_FCGI" --supervise -n -s "$S" \
		-P "$T/pid" --log "$T/app.log" -- "$T/prog"
	eventually test -s "$T/pid"
	KEEPER=$(pgrep -P "$(pid_of outer)")
	sleep 0.5
	[ "$(zombies)" = 0 ]
	kill -TERM "$KEEPER"
	LOGFILE=$T/app.log logged 'program got TERM'
	await outer
	[ "$STATUS" = 0 ]
}
