#!/usr/bin/env bats
# spawn-fcgi --supervise that is killed itself, by kill -9 or for want of memory: what becomes of its
# processes, and of the next start with the same command line.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

need_lifeline() {
	[ ! -e "$FCGI_BUILD/spawn/lifeline-none.o" ] || skip 'built without a tie of processes'
}

# family: the processes of all sessions that the keeper has.
family() {
	local leader

	for leader in $(children); do
		ps -o pid= -s "$leader"
	done | tr -d ' '
}

family_has() {
	[ "$(family | wc -l)" = "$1" ]
}

# kill_keeper: ends it without a stop. $FAMILY is what it had; that ends with the test at last.
kill_keeper() {
	local pid

	FAMILY=$(family)
	for pid in $FAMILY; do
		adopt "family$pid" "$pid"
	done
	kill -KILL "$KEEPER"
	eventually gone "$KEEPER"
	[ ! -s "$T/.pid.keeper" ] || await keeper
}

all_gone() {
	local pid

	for pid in $FAMILY; do
		gone "$pid" || return
	done
}

all_there() {
	local pid

	for pid in $FAMILY; do
		alive "$pid" || return
	done
}

# supervise_again OPTION...: as supervise, but with what the last one has left.
supervise_again() {
	start keeper run_under "$SPAWN_FCGI" --supervise -n -P "$T/keeper.pid" "$@"
	KEEPER=$(pid_of keeper)
	up_or_gone() { [ "$(cat "$T/keeper.pid")" = "$KEEPER" ] || gone "$KEEPER"; }
	eventually -t 20 up_or_gone && alive "$KEEPER"
}

# fcgi-talk minds what PHP leaves out at the end of an answer.
answers() {
	if [[ $1 == *.php ]]; then
		env -i PATH="$PATH" REQUEST_METHOD=GET SCRIPT_FILENAME="$1" \
			timeout 20 cgi-fcgi -bind -connect "$S" | grep '^pid '
	else
		talk timeout 20 get "$1"
	fi
}

# ends_and_begins COUNT SCRIPT OPTION...: so many processes end with their supervisor; the same
# command line starts them again, on what it has left, and they answer.
ends_and_begins() {
	local count=$1 script=$2 old

	shift 2
	need_lifeline
	SOCKET=${SOCKET-unix:$S}
	supervise "$@"
	eventually family_has "$count" || { family; return 1; }
	old=$KEEPER
	kill_keeper
	eventually all_gone || return
	[ "$(cat "$T/keeper.pid")" = "$old" ] || return
	supervise_again "$@" || return
	eventually family_has "$count" && answers "$script" &&
		kill -TERM "$KEEPER" && await keeper && [ "$STATUS" = 0 ] &&
		nothing_left "$S" "$T/keeper.pid"
}

@test "the processes end with their supervisor, and the next one starts (a Perl program)" {
	need_app
	ends_and_begins 3 /x -s "$S" -F 3 -- "$APP"
}

@test "the processes end with their supervisor, and the next one starts (TERM kills the program)" {
	need_app
	ends_and_begins 3 /x -s "$S" -F 3 -- "$APP" naive
}

@test "the processes end with their supervisor, and the next one starts (PHP with children)" {
	need_php
	need cgi-fcgi
	ends_and_begins 6 "$T/x.php" -s "$S" -F 2 -C 2 -- "$PHP"
}

@test "the processes end with their supervisor, and the next one starts (fcgiwrap with workers)" {
	SOCKET=unix:$S
	ends_and_begins 6 "$CGI/hello.sh" -s "$S" -F 2 -- "$FCGIWRAP" -c 2
}

@test "the processes end with their supervisor, and the next one starts (another user's)" {
	need_users
	need_app
	ends_and_begins 2 /x -s "$S" -M 0666 -F 2 -u "$USER_A" -- "$APP"
}

@test "the processes end with their supervisor, and the next one starts (by a shell)" {
	need_app
	ends_and_begins 1 /x -s "$S" -f "$APP naive"
}

@test "the processes end with their supervisor, and the next one starts (TCP)" {
	local port

	need_app
	port=$(free_port)
	SOCKET=tcp:127.0.0.1:$port
	ends_and_begins 2 /x -a 127.0.0.1 -p "$port" -F 2 -- "$APP"
}

@test "the processes end with a supervisor in the background, and the next one starts" {
	need_lifeline
	need_app
	spawn --supervise -F 2 -s "$S" -P "$T/pid" --log "$T/log" -- "$APP"
	KEEPER=$(cat "$T/pid")
	family_has 2
	kill_keeper
	eventually all_gone
	spawn --supervise -F 2 -s "$S" -P "$T/pid" --log "$T/log" -- "$APP"
	[ "$status" = 0 ]
	ask
}

@test "processes that were started later end with it, too" {
	local old

	need_lifeline
	need_app
	supervise -s "$S" -F 2 -- "$APP"
	old=$(children)
	kill -KILL "$(head -n 1 <<<"$old")"
	eventually has 2
	kill -HUP "$KEEPER"
	# shellcheck disable=SC2086
	eventually replaced $old
	logged 'reloaded$'
	kill_keeper
	eventually all_gone
}

@test "after USR2 they end with it, too" {
	need_lifeline
	need_app
	supervise -s "$S" -F 2 -- "$APP"
	kill -USR2 "$KEEPER"
	logged 'goes on'
	kill -KILL "$(children | head -n 1)"
	eventually has 2
	all_there
	kill_keeper
	eventually all_gone
}

@test "after USR2 they end with it, too (another user's)" {
	need_lifeline
	need_users
	need_app
	supervise -s "$S" -M 0666 -F 2 -u "$USER_A" -- "$APP"
	kill -USR2 "$KEEPER"
	logged 'goes on'
	kill_keeper
	eventually all_gone
}

@test "USR2 itself ends nobody" {
	local i old

	need_app
	supervise -s "$S" -F 2 -- "$APP" naive
	old=$(children)
	for i in 1 2 3; do
		kill -USR2 "$KEEPER"
		eventually logged_times "$i" 'goes on'
	done
	[ "$(children)" = "$old" ]
	logged_times 0 'was killed'
}

@test "what they get is the stop signal" {
	need_lifeline
	program <<-END
		trap 'echo USR1 >"$T/got"; exit' USR1
		echo >"$T/ready"
		while :; do sleep 0.02; done
	END
	supervise -s "$S" --stop-signal USR1 -- "$T/prog"
	eventually test -e "$T/ready"
	FAMILY=$(children)
	adopt family "$FAMILY"
	kill -KILL "$KEEPER"
	eventually all_gone
	[ "$(cat "$T/got")" = USR1 ]
}

@test "who finishes its request at a stop does so now, too" {
	need_lifeline
	need_app
	supervise -s "$S" -F 2 -- "$APP"
	ask_later client wait="$T/go"
	eventually talk close
	sleep 0.2
	kill_keeper
	one_left() { [ "$(for pid in $FAMILY; do alive "$pid" && echo "$pid"; done | wc -l)" = 1 ]; }
	eventually one_left
	touch "$T/go"
	answered client
	eventually all_gone
}

# A process that is about to become the program as the supervisor dies has not asked for the signal
# yet: strace holds it there.
@test "who is on its way to the program does not get there" {
	need_lifeline
	need strace
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	cp "$(command -v sleep)" "$T/sleeper"
	running() { pgrep -f "^$T/sleeper 600\$"; }
	TEST_WRAPPER="strace -f -o $T/trace -e trace=prctl -e inject=prctl:delay_enter=1000000" \
		supervise -s "$S" -- "$T/sleeper" 600 ||
		{ grep -q 'PTRACE' "$T/keeper.log" && skip 'nobody may be traced here'; false; }
	KEEPER=$(cat "$T/keeper.pid")
	eventually running
	: >"$T/trace"
	kill -KILL "$(running)"
	begun() { grep -q SIGKILL "$T/trace"; }
	eventually begun
	eventually has 1
	children >"$T/last"
	kill -KILL "$KEEPER"
	eventually gone "$(cat "$T/last")"
	not running
	# It came as far as that.
	grep -q "^$(cat "$T/last") .*prctl(PR_SET_PDEATHSIG, SIGTERM" "$T/trace"
}

@test "--outlive: they go on, and the next start is refused as long as they serve" {
	need_app
	supervise -s "$S" -F 2 --outlive -- "$APP"
	kill_keeper
	ask
	all_there
	not supervise_again -s "$S" -F 2 -- "$APP"
	await keeper
	[ "$STATUS" = 255 ]
	logged 'already in use'
	ask
	# shellcheck disable=SC2086
	kill $FAMILY
	eventually all_gone
	supervise_again -s "$S" -F 2 -- "$APP"
	ask
}

@test "--outlive needs --supervise" {
	spawn --outlive -s "$S" -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *'--outlive needs --supervise'* ]]
}

# What a program leaves behind. ------------------------------------------------------------------

# The program starts another one in a process group of its own, whose pid is in $T/other.
program_with_another() {
	need timeout
	program <<-END
		timeout 3577 sleep 3576 &
		echo \$! >"$T/other"
		exec sleep 3575
	END
}

# other_group: it has one, in the session of the keeper's child.
other_group() {
	OTHER=$(cat "$T/other")
	read -r GROUP SESSION < <(ps -o pgid=,sid= -p "$OTHER")
	OTHERS="$OTHER $(pgrep -P "$OTHER" || :)"
	[ "$GROUP" = "$OTHER" ] && [ "$SESSION" = "$(children)" ]
}

others_gone() {
	local pid

	for pid in $OTHERS; do
		gone "$pid" || return
	done
}

@test "another process group of the session is ended at a stop" {
	need_census
	program_with_another
	supervise -s "$S" --stop-timeout 60 -- "$T/prog"
	eventually other_group
	kill -TERM "$KEEPER"
	await keeper 20
	[ "$STATUS" = 0 ]
	others_gone
}

@test "another process group of the session is ended when its leader crashes" {
	need_census
	program_with_another
	supervise -s "$S" --stop-timeout 60 -- "$T/prog"
	eventually other_group
	kill -KILL "$(children)"
	eventually others_gone
}

@test "another process group that does not heed the stop signal is killed" {
	need_census
	program <<-END
		exec perl -e '
			if (!fork) {
				setpgrp;
				\$SIG{TERM} = "IGNORE";
				open my \$f, ">", "$T/other" or die;
				print \$f \$\$;
				close \$f;
				sleep 3576;
			}
			sleep 3575'
	END
	supervise -s "$S" --stop-timeout 2 -- "$T/prog"
	eventually other_group
	kill -TERM "$KEEPER"
	await keeper 20
	[ "$STATUS" = 0 ]
	others_gone
}

# stranger KIND SEC: a program with a process of its session and group whose parent has gone to a
# session of its own. That one is ended with the test; the other one is dead, or alive.
stranger() {
	local dead='POSIX::_exit(0)' alive='exec "sleep", "3574"'

	need perl
	program <<-END
		[ ! -e "$T/stranger" ] || exec sleep 3571
		exec perl -MPOSIX -e '
			sub note { open my \$f, ">", shift or die; print \$f shift; close \$f }
			if (!fork) {
				my \$child = fork // die;
				if (!\$child) { ${!1} }
				POSIX::setsid();
				POSIX::close(\$_) for 0 .. 2;
				note("$T/member", \$child);
				note("$T/stranger", \$\$);
				sleep 3573;
			}
			exec "sleep", "3572"'
	END
	supervise -s "$S" --stop-timeout "$2" -- "$T/prog"
	eventually test -s "$T/stranger"
	STRANGER=$(cat "$T/stranger")
	MEMBER=$(cat "$T/member")
	adopt stranger "$STRANGER"
}

# in_session STATE: as the keeper's child has it, with a parent elsewhere.
in_session() {
	local state parent session group leader

	leader=$(children | head -n 1)
	read -r state parent group session < <(ps -o stat=,ppid=,pgid=,sid= -p "$MEMBER")
	[[ $state == $1* ]] && [ "$parent" = "$STRANGER" ] && [ "$group $session" = "$leader $leader" ]
}

@test "a dead process that its parent, elsewhere, does not care for delays no end" {
	need_census
	stranger dead 60
	eventually in_session Z
	kill -TERM "$KEEPER"
	await keeper
	[ "$STATUS" = 0 ]
	[[ $(ps -o stat= -p "$MEMBER") == Z* ]]
	alive "$STRANGER"
}

@test "a dead process that its parent, elsewhere, does not care for delays no stop for ever" {
	stranger dead 1
	eventually in_session Z
	kill -TERM "$KEEPER"
	await keeper 20
	[ "$STATUS" = 0 ]
	alive "$STRANGER"
}

@test "a dead process that its parent, elsewhere, does not care for is none that is to leave" {
	need_census
	stranger dead 60
	eventually in_session Z
	kill -KILL "$(children | head -n 1)"
	logged 'was killed by signal 9'
	kill -HUP "$KEEPER"
	logged 'reloaded$'
	[[ $(ps -o stat= -p "$MEMBER") == Z* ]]
}

@test "a process of the session whose parent is elsewhere is ended, too" {
	need_census
	stranger alive 60
	eventually in_session S
	kill -TERM "$KEEPER"
	await keeper 20
	[ "$STATUS" = 0 ]
	gone "$MEMBER"
	alive "$STRANGER"
}
