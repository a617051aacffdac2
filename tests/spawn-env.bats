#!/usr/bin/env bats
# What the program that spawn-fcgi starts finds in its environment, and what it may use.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

setup() {
	test_begin
	S=$T/s
	umask 022
	need_proc
}

# child_of_keeper: the process of a pool of one, in $CHILD.
child_of_keeper() {
	is_program() { CHILD=$(pgrep -P "$KEEPER" sleep); }
	eventually is_program
}

# limit_of PID NAME: "soft hard"
limit_of() {
	sed -n "s/^$2  *\([^ ]*\)  *\([^ ]*\) .*/\1 \2/p" "/proc/$1/limits"
}

nice_of() {
	ps -o ni= -p "$1" | tr -d ' '
}

@test "--env sets variables, over those that there are; the last of a name counts" {
	A=old KEPT=1 spawn -s "$S" --env A=new --env B=1 --env B=2=3 --env C= -- /bin/sleep 60
	[ "$status" = 0 ]
	[ "$(environment_of "$PIDS" | grep -E '^(A|B|C|KEPT)=' | sort)" = $'A=new\nB=2=3\nC=\nKEPT=1' ]
}

@test "--env goes over -C" {
	spawn -s "$S" -C 4 --env PHP_FCGI_CHILDREN=5 -- /bin/sleep 60
	[ "$(environment_of "$PIDS" | grep PHP)" = PHP_FCGI_CHILDREN=5 ]
}

@test "--env wants a name and a value" {
	local wrong

	for wrong in A =1 ''; do
		spawn -s "$S" --env "$wrong" -- /bin/sleep 60
		[ "$status" = 255 ]
		[[ $stderr == *"--env wants NAME=VALUE, not \"$wrong\""* ]]
	done
	nothing_left "$S"
}

@test "--clear-env leaves PATH, and what is set for the program" {
	A=1 spawn -s "$S" --clear-env -- /bin/sleep 60
	[ "$(environment_of "$PIDS")" = "PATH=$PATH" ]
	A=1 spawn -s "$S-2" --clear-env -C 4 --env B=1 -- /bin/sleep 60
	[ "$(environment_of "$PIDS" | sort)" = \
		"$(printf 'B=1\nPATH=%s\nPHP_FCGI_CHILDREN=4' "$PATH" | sort)" ]
}

@test "--clear-env without PATH leaves nothing; --env may set it" {
	RUN_BY='env -' spawn -s "$S" --clear-env -- /bin/sleep 60
	[ "$status" = 0 ]
	[ -z "$(environment_of "$PIDS")" ]
	spawn -s "$S-2" --clear-env --env PATH=/nowhere -- /bin/sleep 60
	[ "$(environment_of "$PIDS")" = PATH=/nowhere ]
}

@test "-f is looked up in the PATH of --env" {
	mkdir "$T/bin"
	cp /bin/sleep "$T/bin/mysleep"
	spawn -s "$S" -f 'mysleep $LONG' --env "PATH=$T/bin" --env LONG=60
	[ "$status" = 0 ]
	[ "$(cat "/proc/$PIDS/comm")" = mysleep ]
}

@test "-n: the environment, limits and priority" {
	run run_under env A=1 "$SPAWN_FCGI" -n -s "$S" --clear-env --env B=2 --limit nofile=77 \
		--nice 3 -f 'echo "$A,$B,$(ulimit -n),$(ulimit -Hn),$(nice)"'
	[ "$output" = ",2,77,77,$(($(nice) + 3))" ]
}

@test "--supervise: every process has them, and spawn-fcgi itself has not" {
	A=1 supervise -s "$S" --clear-env --env B=2 --limit nofile=77 --nice 3 -- /bin/sleep 60
	child_of_keeper
	[ "$(environment_of "$CHILD" | sort)" = "$(printf 'B=2\nPATH=%s' "$PATH" | sort)" ]
	[ "$(limit_of "$CHILD" 'Max open files')" = '77 77' ]
	[ "$(nice_of "$CHILD")" = "$(($(nice) + 3))" ]
	environment_of "$KEEPER" | grep -qx A=1
	[ "$(limit_of "$KEEPER" 'Max open files')" != '77 77' ]
	[ "$(nice_of "$KEEPER")" = "$(nice)" ]
	local first=$CHILD

	kill -KILL "$first"
	replaced_and_running() { is_program && [ "$CHILD" != "$first" ]; }
	eventually -t 20 replaced_and_running
	environment_of "$CHILD" | grep -qx B=2
}

@test "--limit: numbers, sizes with a unit, and seconds" {
	spawn -s "$S" --limit nofile=77 --limit core=0 --limit fsize=2m --limit as=1g --limit cpu=60 \
		--limit data=512m -- /bin/sleep 60
	[ "$status" = 0 ]
	[ "$(limit_of "$PIDS" 'Max open files')" = '77 77' ]
	[ "$(limit_of "$PIDS" 'Max core file size')" = '0 0' ]
	[ "$(limit_of "$PIDS" 'Max file size')" = '2097152 2097152' ]
	[ "$(limit_of "$PIDS" 'Max address space')" = '1073741824 1073741824' ]
	[ "$(limit_of "$PIDS" 'Max data size')" = '536870912 536870912' ]
	[ "$(limit_of "$PIDS" 'Max cpu time')" = '60 61' ]
}

@test "--limit: the greatest number is no limit" {
	[ "$(ulimit -H -t)" = unlimited ] || skip 'there is a limit on CPU time here'
	spawn -s "$S" --limit cpu=18446744073709551615 -- /bin/sleep 60
	[ "$status" = 0 ]
	[ "$(limit_of "$PIDS" 'Max cpu time')" = 'unlimited unlimited' ]
}

@test "--limit holds for another user, too" {
	need_users
	spawn -s "$S" -u "$USER_A" --limit nofile=77 --limit nproc=500 --nice 5 -- /bin/sleep 60
	[ "$(limit_of "$PIDS" 'Max open files')" = '77 77' ]
	[ "$(limit_of "$PIDS" 'Max processes')" = '500 500' ]
	[ "$(nice_of "$PIDS")" = "$(($(nice) + 5))" ]
}

@test "--limit: a lower limit that is in force stays" {
	spawn_low() { (ulimit -n 50 && "$SPAWN_FCGI" -s "$S" -P "$T/pid" --limit nofile=77 -- /bin/sleep 60); }
	capture spawn_low
	[ "$status" = 0 ]
	adopt child "$(cat "$T/pid")"
	[ "$(limit_of "$(cat "$T/pid")" 'Max open files')" = '50 50' ]
}

@test "--limit: few descriptors are no reason to lose the message of a failed start" {
	spawn -s "$S" --limit nofile=3 -- /no/such
	[ "$status" = 2 ]
	[[ $stderr == *'exec failed, /no/such: No such file'* ]]
}

@test "--limit: where it is refused the program does not run without" {
	local deny=$FCGI_BUILD/tests/deny

	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	"$deny" --can prlimit64=EPERM 2>/dev/null || skip 'this system cannot refuse it'
	"$deny" prlimit64=EPERM -- "$SPAWN_FCGI" -v || skip 'this build needs it itself'
	RUN_BY="$deny prlimit64=EPERM --" spawn -s "$S" --limit nofile=77 -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *'cannot limit what the program may use (--limit): Operation not permitted'* ]]
	nothing_left "$S"
}

@test "--limit and --nice: what is wrong is named" {
	local wrong

	for wrong in nofile nofile= nofile=x nofile=1k cpu=-1 as=1x; do
		spawn -s "$S" --limit "$wrong" -- /bin/sleep 60
		[ "$status" = 255 ]
		[[ $stderr == *"--limit wants ${wrong%%=*}=NUMBER"*"not \"$wrong\""* ]]
	done
	spawn -s "$S" --limit stack=1 -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *'the limits are cpu, as,'* ]]
	spawn -s "$S" --nice -1 -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *'--nice wants a number from 0 to 39, not "-1"'* ]]
	nothing_left "$S"
}
