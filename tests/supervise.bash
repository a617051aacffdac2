# What the tests of spawn-fcgi --supervise share ("load lib; load spawn; load supervise").
#
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # tests use the variables that are set here

need_app() {
	need perl
	perl -MFCGI -e 1 2>/dev/null || skip 'no FCGI.pm here'
	APP=$CGI/supervise-app.pl
	SOCKET=unix:$S
}

need_php() {
	need php-cgi
	PHP=$(command -v php-cgi)
	cat >"$T/x.php" <<-'END'
		<?php usleep(1000 * (int)($_GET["ms"] ?? 0)); echo "pid ", getmypid(), "\n";
	END
	chmod 755 "$T"
	SOCKET=unix:$S
}

# Busy and idle cannot be told everywhere.
need_census() {
	[ -e "$FCGI_BUILD/spawn/census-linux.o" ] || skip 'built without a look into /proc'
}

# Nor that a program waits.
need_sight() {
	has_sight || skip 'built without a look into /proc'
}

has_sight() {
	[ -e "$FCGI_BUILD/spawn/ready-linux.o" ]
}

# supervise [OPTION...]: as process "keeper", in the foreground, with its output in $T/keeper.log;
# returns when it is up. $KEEPER is its pid.
supervise() {
	# Where nobody sees that a program waits, all the tests would.
	has_sight || set -- --start-time 0.2 "$@"
	rm -f "$T/keeper.pid"
	start keeper run_under "$SPAWN_FCGI" --supervise -n -P "$T/keeper.pid" "$@"
	KEEPER=$(pid_of keeper)
	up_or_gone() { [ -s "$T/keeper.pid" ] || gone "$KEEPER"; }
	eventually -t 20 up_or_gone && alive "$KEEPER"
}

# program <<TEXT: an executable shell script, $T/prog.
program() {
	{ echo '#!/bin/sh'; cat; } >"$T/prog"
	chmod 755 "$T/prog"
}

# The processes that the keeper has, but for dead ones, one per line.
children() {
	local children pid

	find_children "$KEEPER"
	for pid in "${children[@]}"; do
		! alive "$pid" || echo "$pid"
	done
}

# has COUNT: so many of them.
has() {
	local children pid living=0

	find_children "$KEEPER"
	for pid in "${children[@]}"; do
		! alive "$pid" || living=$((living + 1))
	done
	[ $living = "$1" ]
}

zombies() {
	ps -o stat= --ppid "$KEEPER" | grep -c '^Z'
}

# ask [QUERY]: one request; $output is the answer, $ANSWERED_BY the process.
ask() {
	local pid=$'\n''pid ([0-9]+)'

	output=$(talk timeout 20 get /x QUERY_STRING="${1-}") || { echo "$output"; return 1; }
	[[ $'\n'$output =~ $pid ]] && ANSWERED_BY=${BASH_REMATCH[1]}
}

# Clients that are connected to $SOCKET, accepted or in its queue. One that has replaced another has
# the name that it was bound by, and one that was bound in its folder the last part of it.
clients_here() {
	case $SOCKET in
	unix:*)
		awk -v path="${SOCKET#unix:}" '
			function ends_with(text) { return substr(path, length(path) - length(text) + 1) == text }
			($8 == path || $8 == path ".new" || ends_with("/" $8)) &&
			($6 == "02" || $6 == "03")' /proc/net/unix
		;;
	*)
		awk -v port="$(printf ':%04X$' "${SOCKET##*:}")" '$2 ~ port && $4 == "01"' \
			/proc/net/tcp /proc/net/tcp6
		;;
	esac 2>/dev/null | wc -l
}

# ask_later NAME QUERY: in the background; returns when it has connected, or is over.
ask_later() {
	local before

	before=$(clients_here)
	start "$1" "$FCGI_TALK" "$SOCKET" get /x QUERY_STRING="$2"
	has_come() {
		[ "$(clients_here)" -gt "$before" ] || [ -s "$T/$1.out" ] || [ -s "$T/$1.log" ]
	}
	eventually has_come "$1" || :
}

# talk_on NAME PARALLEL STEP...: in the background, dialogues without end, so many at once.
talk_on() {
	local name=$1 parallel=$2

	shift 2
	start "$name" "$FCGI_TALK" -n 1000000 -j "$parallel" "$SOCKET" "$@"
	eventually heeds_usr1 "$name" # by which talked_well ends them
}

# Before it is executed, the shell's own process has handlers, too.
heeds_usr1() {
	[[ $(readlink "/proc/$(pid_of "$1")/exe") == */fcgi-talk ]] &&
		((0x$(status_of "$(pid_of "$1")" SigCgt) & 0x200))
}

# talked_well NAME: ends them; none has failed.
talked_well() {
	kill -USR1 "$(pid_of "$1")" || return
	await "$1" 30
	cat "$T/$1.out" "$T/$1.log"
	has_match '^ok=[1-9][0-9]* failed=0$' "$T/$1.out"
}

# answered NAME: that one gets, or has got, its answer.
answered() {
	await "$1" 20
	[ "$STATUS" = 0 ] && has_match '^pid ' "$T/$1.out"
}

# logged PATTERN, logged_times COUNT PATTERN: lines of its log.
logged() {
	local log=${LOGFILE:-$T/keeper.log}

	eventually has_match "$1" "$log" || { cat "$log"; return 1; }
}

logged_times() {
	[ "$(grep -cE -e "$2" "${LOGFILE:-$T/keeper.log}")" = "$1" ]
}

# not COMMAND...: is true if the command is false; "!" alone is no failure of a test.
not() {
	! "$@"
}

# replaced PID...: none of these is a child any more.
replaced() {
	local pid

	for pid in "$@"; do
		not grep -qx "$pid" <<<"$(children)" || return 1
	done
}

# Reloads of processes that are never idle.

# starve_by_load: more clients than processes all the time, until end_load; HUP is sent until it meets
# no idle process.
starve_by_load() {
	start load "$FCGI_BUILD/tests/bench/load" -j 12 -n 0 -t 60 "$SOCKET" '/x?ms=20'
	eventually -t 5 waits 6
	starve
}

starve() {
	diversions=$(count_diversions)
	until starved; do
		reloads=$(grep -cE 'reloaded$' "$T/keeper.log" || :)
		kill -HUP "$KEEPER"
		starved_or_reloaded() {
			starved || [ "$(grep -cE 'reloaded$' "$T/keeper.log")" -gt "$reloads" ]
		}
		eventually starved_or_reloaded
	done
}

count_diversions() {
	grep -c 'new connections get a new socket' "$T/keeper.log" || :
}

starved() {
	[ "$(count_diversions)" -gt "$diversions" ]
}

# waits COUNT: so many connections, at least, in the queue.
waits() {
	ss -xlH | awk -v least="$1" -v socket="$S" \
		'index($5, socket) == 1 && $3 >= least { good = 1 } END { exit !good }'
}

end_load() {
	kill -TERM "$(pid_of load)"
	await load
	cat "$T/load.out"
	grep -q '^requests=[0-9]* errors=0 ' "$T/load.out"
}

# hang_and_divert QUERY: as clients "old1" to "old6", requests that hang by this query. Three, as many
# as there are old processes, are being served, and three wait at the old socket, when a new one
# takes its place, during a reload of a pool of two with --start-time 0.1 and --stop-timeout 16.
hang_and_divert() {
	local i

	start load "$FCGI_BUILD/tests/bench/load" -j 6 -n 0 -t 60 "$SOCKET" '/x?ms=20'
	eventually -t 5 waits 2
	diversions=$(count_diversions)
	kill -HUP "$KEEPER"
	said_hello() { [ "$(grep -c hello "$T/keeper.log")" = 3 ]; }
	eventually said_hello
	sleep 0.4 # all are seen to go on and on
	for i in 1 2 3 4 5 6; do
		start "old$i" "$FCGI_TALK" "$SOCKET" get /x QUERY_STRING="$1"
	done
	eventually starved
	kill -KILL "$(pid_of load)" # it waits, too
	await load
}
