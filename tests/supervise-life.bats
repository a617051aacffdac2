#!/usr/bin/env bats
# spawn-fcgi --supervise: staying, starting again, signals, output, reload and upgrade.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

@test "-n stays in the foreground; the program is its child, in a session of its own" {
	need_app
	supervise -s "$S" -- "$APP"
	has 1
	[ "$(ps -o sid= -p "$(children)" | tr -d ' ')" = "$(children)" ]
	ask
	[ "$ANSWERED_BY" = "$(children)" ]
}

@test "the program has the socket, its output, and nothing else" {
	need_proc
	supervise -s "$S" -- /bin/sleep 60
	[ "$(cd "/proc/$(children)/fd" && echo *)" = "0 1 2" ]
	[[ $(readlink "/proc/$(children)/fd/0") == socket:* ]]
}

@test "the program finds signals as the supervisor found them" {
	need_proc
	start keeper run_under env --ignore-signal=HUP "$SPAWN_FCGI" --supervise -n -s "$S" \
		-- /bin/sleep 60
	KEEPER=$(pid_of keeper)
	eventually has 1
	is_sleep() { [ "$(cat "/proc/$(children)/comm")" = sleep ]; }
	eventually is_sleep
	start likewise env --ignore-signal=HUP /bin/sleep 60
	is_asleep() { [ "$(cat "/proc/$(pid_of likewise)/comm")" = sleep ]; }
	eventually is_asleep
	[ "$(status_of "$(children)" SigIgn)" = "$(status_of "$(pid_of likewise)" SigIgn)" ]
	[ "$(status_of "$(children)" SigBlk)" = 0000000000000000 ]
}

@test "in the background: one pid, in the pid file and on the line that scripts look for" {
	need_app
	spawn --supervise -F 3 -s "$S" -P "$T/pid" -- "$APP"
	[ "$status" = 0 ]
	KEEPER=$(cat "$T/pid")
	[ "$output" = "spawn-fcgi: child spawned successfully: PID: $KEEPER" ]
	has 3
	ask
	[ "$(ps -o sid= -p "$KEEPER" | tr -d ' ')" = "$KEEPER" ]
}

@test "in the background nothing of the terminal is kept" {
	need_proc
	spawn --supervise -s "$S" -P "$T/pid" -- /bin/sleep 60
	[ "$(readlink "/proc/$PIDS/fd/0")" = /dev/null ]
	[ "$(readlink "/proc/$PIDS/fd/1")" = /dev/null ]
	[ "$(readlink "/proc/$PIDS/fd/2")" = /dev/null ]
}

@test "TERM ends all, with status 0, and removes socket and pid file" {
	local child

	need_app
	supervise -s "$S" -F 2 -- "$APP"
	child=$(children | head -n 1)
	kill -TERM "$KEEPER"
	await keeper
	[ "$STATUS" = 0 ]
	gone "$child"
	nothing_left "$S" "$T/keeper.pid"
}

@test "a program that cannot be executed is told at the start, and nothing is left" {
	local option

	for option in -n ''; do
		# shellcheck disable=SC2086
		spawn --supervise $option -F 3 -s "$S" -P "$T/pid" -- /no/such
		[ "$status" = 2 ]
		[[ $stderr == *'exec failed, /no/such: No such file or directory'* ]]
		nothing_left "$S" "$T/pid"
	done
}

@test "new options without --supervise are refused, not ignored" {
	spawn --pm dynamic -s "$S" -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *'--pm needs --supervise'* ]]
	spawn --stop-timeout 3 -s "$S" -- /bin/sleep 60
	[ "$status" = 255 ]
}

@test "wrong values are refused by name" {
	local option

	for option in '--pm fixed' '--crash-limit 5' '--crash-limit 0/5' '--stop-signal KILL' \
		'--pm dynamic --min-spare 5' '--max-memory x'; do
		# shellcheck disable=SC2086
		spawn --supervise $option -s "$S" -- /bin/sleep 60
		[ "$status" = 255 ]
		[[ $stderr == *"${option%% *}"* || $stderr == *--min-spare* ]]
	done
	nothing_left "$S"
}

@test "a process that was killed is replaced, and its end is told" {
	local victim

	need_app
	supervise -s "$S" -F 2 -- "$APP"
	victim=$(children | head -n 1)
	kill -KILL "$victim"
	logged "process $victim was killed by signal 9 \(Killed\) after"
	eventually has 2
	replaced "$victim"
}

@test "a process that ends by itself after work is replaced at once" {
	need_app
	supervise -s "$S" -- "$APP"
	ask
	sleep 0.1
	ask exit=0
	ask
	logged 'exited with status 0'
	logged_times 0 'crash'
}

@test "the program runs without rights, the supervisor keeps its own" {
	need_users
	need_app
	supervise -s "$S" -u "$USER_A" -- "$APP"
	ask
	[[ $output == *"uid $(id -u "$USER_A")"* ]]
	[ "$(ps -o uid= -p "$KEEPER" | tr -d ' ')" = 0 ]
	kill -KILL "$(children)"
	eventually has 1
	ask
	[[ $output == *"uid $(id -u "$USER_A")"* ]]
}

@test "-c and -d hold for each start" {
	need_users
	jail /bin/sleep
	mkdir "$T/jail/work"
	supervise -s "$S" -S -c "$T/jail" -d /work -u "$USER_A" -- /bin/sleep 60
	[ "$(readlink "/proc/$(children)/cwd")" = "$T/jail/work" ]
	kill -KILL "$(children)"
	eventually has 1
	at_work() { [ "$(readlink "/proc/$(children)/cwd")" = "$T/jail/work" ]; }
	eventually at_work
}

@test "TERM lets a running request finish, whatever the program makes of the signal" {
	local manner

	need_census
	need_app
	for manner in '' naive; do
		rm -f "$T/go"
		# shellcheck disable=SC2086
		supervise -s "$S" -F 2 -- "$APP" $manner
		ask_later client wait="$T/go"
		sleep 0.2
		kill -TERM "$KEEPER"
		eventually has 1
		touch "$T/go"
		answered client
		await keeper
		[ "$STATUS" = 0 ]
	done
}

@test "TERM: who waits in the queue is served" {
	need_census
	need_app
	supervise -s "$S" -- "$APP" naive
	ask_later one ms=300
	sleep 0.1
	ask_later two ms=10
	ask_later three ms=10
	sleep 0.1
	kill -TERM "$KEEPER"
	answered one
	answered two
	answered three
	await keeper
}

@test "a second TERM ends all at once" {
	need_app
	supervise -s "$S" -- "$APP" deaf
	ask_later client ms=20000
	sleep 0.2
	kill -TERM "$KEEPER"
	sleep 0.1
	alive "$KEEPER"
	kill -TERM "$KEEPER"
	await keeper 3
	[ "$STATUS" = 0 ]
}

@test "a program that ignores TERM is killed after --stop-timeout" {
	need_app
	supervise -s "$S" --stop-timeout 300ms -- "$APP" deaf
	kill -TERM "$KEEPER"
	await keeper 3
	[ "$STATUS" = 0 ]
	logged 'did not stop in time; killing it'
}

@test "--stop-signal is the signal that the program gets" {
	program <<<'trap "echo got USR1; exit" USR1; while :; do sleep 0.02; done'
	supervise -s "$S" --stop-signal USR1 -- "$T/prog"
	kill -TERM "$KEEPER"
	await keeper
	logged 'got USR1'
}

@test "a shell's children are stopped with it" {
	local child

	program <<<'sleep 60; true'
	supervise -s "$S" --stop-timeout 1 -- "$T/prog"
	eventually pgrep -P "$(children)" sleep
	child=$(pgrep -P "$(children)" sleep)
	kill -TERM "$KEEPER"
	await keeper
	eventually gone "$child"
}

@test "what a killed process leaves behind is ended" {
	local left

	need_census
	program <<<'sleep 60; true'
	supervise -s "$S" -- "$T/prog"
	eventually pgrep -P "$(children)" sleep
	left=$(pgrep -P "$(children)" sleep)
	kill -KILL "$(children)"
	eventually gone "$left"
}

@test "what a process leaves behind that ends when it is told to is told, too" {
	local left

	need_census
	program <<<'sleep 60; true'
	supervise -s "$S" --stop-timeout 1h -- "$T/prog"
	eventually pgrep -P "$(children)" sleep
	left=$(pgrep -P "$(children)" sleep)
	kill -TERM "$KEEPER"
	eventually gone "$left"
}

@test "HUP replaces all processes, and a running request finishes" {
	local old

	need_census
	need_app
	supervise -s "$S" -F 3 -- "$APP" naive
	old=$(children)
	ask_later client wait="$T/go"
	sleep 0.2
	kill -HUP "$KEEPER"
	others_are_new() { [ "$(grep -cxFf <(echo "$old") <<<"$(children)")" = 1 ]; }
	eventually others_are_new
	eventually has 4
	logged_times 0 'reloaded'
	touch "$T/go"
	answered client
	logged 'reloaded$'
	has 3
	# shellcheck disable=SC2086
	replaced $old
}

@test "HUP: while old ones do not end there is one process too many, not more" {
	need_census
	need_app
	supervise -s "$S" -F 2 --stop-timeout 4 -- "$APP" deaf
	kill -HUP "$KEEPER"
	eventually has 3
	for _ in 1 2; do
		kill -HUP "$KEEPER"
		sleep 0.5
		has 3
	done
	logged 'reloaded$'
	has 2
}

@test "HUP: what serves without end is ended when --stop-timeout is over" {
	local old

	need_census
	need_app
	supervise -s "$S" --stop-timeout 2 -- "$APP" naive
	old=$(children)
	ask_later client wait="$T/never"
	sleep 0.3
	kill -HUP "$KEEPER"
	eventually replaced "$old"
	logged "process $old was killed by signal 15"
	logged 'reloaded$'
	ask
}

@test "TERM: who is busy to the last is asked before it is killed" {
	need_census
	need_app
	supervise -s "$S" --stop-timeout 2 -- "$APP" naive
	ask_later client wait="$T/never"
	sleep 0.3
	kill -TERM "$KEEPER"
	await keeper
	[ "$STATUS" = 0 ]
	logged 'was killed by signal 15 \(Terminated\)'
	logged_times 0 'signal 9'
}

@test "TERM: who waits for a pool of none is served" {
	need_census
	need_app
	supervise -s "$S" --pm ondemand -- "$APP"
	kill -STOP "$KEEPER"
	ask_later client ms=1
	sleep 0.3
	kill -TERM "$KEEPER"
	kill -CONT "$KEEPER"
	answered client
	await keeper
	[ "$STATUS" = 0 ]
}

@test "HUP: new processes come first" {
	need_app
	supervise -s "$S" -- "$APP"
	logged 'hello$'
	kill -HUP "$KEEPER"
	logged 'exited with status 0'
	# Both have said hello before the first has gone.
	[ "$(sed '/exited with/q' "$T/keeper.log" | grep -c 'hello$')" = 2 ]
	eventually has 1
}

@test "HUP with a program that has become bad: the old processes stay" {
	local old

	need_app
	cp "$APP" "$T/prog"
	supervise -s "$S" -F 2 -- "$T/prog"
	old=$(children)
	rm "$T/prog"
	program <<<'exit 5'
	kill -HUP "$KEEPER"
	logged 'reload is given up'
	[ "$(children)" = "$old" ]
	ask
}

@test "HUP: what serves many at once and never rests is asked after --stop-busy" {
	local old

	need_census
	supervise -s "$S" --stop-busy 0.5 -- "$FCGIWRAP"
	old=$(children)
	SOCKET=unix:$S
	"$FCGI_TALK" -n 400 -j 6 "$SOCKET" get "$CGI/hello.sh" expect-text hello >"$T/load.out" &
	sleep 0.1
	kill -HUP "$KEEPER"
	eventually replaced "$old"
	wait $!
	grep -x 'ok=400 failed=0' "$T/load.out"
}

@test "USR2 executes the supervisor anew, with the same children and the same socket" {
	local old

	need_app
	supervise -s "$S" -F 2 -- "$APP"
	old=$(children)
	kill -USR2 "$KEEPER"
	logged 'goes on with the processes that there are'
	[ "$(children)" = "$old" ]
	ask
	kill -KILL "$ANSWERED_BY"
	eventually has 2
	logged "process $ANSWERED_BY was killed"
	kill -TERM "$KEEPER"
	await keeper
	[ "$STATUS" = 0 ]
	nothing_left "$S" "$T/keeper.pid"
}

@test "TERM along with USR2 is not lost" {
	need_app
	supervise -s "$S" -- "$APP"
	kill -STOP "$KEEPER"
	kill -USR2 "$KEEPER"
	kill -TERM "$KEEPER"
	kill -CONT "$KEEPER"
	await keeper
	[ "$STATUS" = 0 ]
	logged_times 0 'goes on'
}

@test "HUP, and then USR2: nobody is asked to end twice" {
	need_census
	program <<-'END'
		trap 'echo asked >&2' TERM
		while :; do sleep 0.1; done
	END
	supervise -s "$S" --start-time 100ms -- "$T/prog"
	kill -HUP "$KEEPER"
	logged '] asked$'
	kill -USR2 "$KEEPER"
	logged 'goes on'
	sleep 0.5
	logged_times 1 '] asked$'
	kill -TERM "$KEEPER"
	kill -TERM "$KEEPER"
}

@test "USR2 takes a new binary, and output goes on" {
	need_app
	need_proc
	cp "$SPAWN_FCGI" "$T/bin"
	SPAWN_FCGI=$T/bin supervise -s "$S" -- "$APP"
	cp "$SPAWN_FCGI" "$T/new"
	mv "$T/new" "$T/bin"
	[[ $(readlink "/proc/$KEEPER/exe") == *deleted* ]]
	kill -USR2 "$KEEPER"
	logged 'goes on'
	[ "$(readlink "/proc/$KEEPER/exe")" = "$T/bin" ]
	ask say=cheese
	logged "\[$ANSWERED_BY\] cheese"
}

@test "USR2 without a binary: the old one goes on" {
	need_app
	cp "$SPAWN_FCGI" "$T/bin"
	SPAWN_FCGI=$T/bin supervise -s "$S" -- "$APP"
	rm "$T/bin"
	kill -USR2 "$KEEPER"
	logged 'cannot execute .*: No such file'
	logged 'this one goes on'
	ask
	kill -KILL "$ANSWERED_BY"
	eventually has 1
	ask
}

@test "no descriptor and no child too many after USR2 and HUP, ten times" {
	local i before

	need_proc
	need_app
	supervise -s "$S" -F 2 -- "$APP"
	kill -USR2 "$KEEPER"
	logged 'goes on'
	before=$(descriptors "$KEEPER")
	for i in {1..10}; do
		kill -USR2 "$KEEPER"
		sleep 0.05
		kill -HUP "$KEEPER"
		sleep 0.02
	done
	settled() { [ "$(descriptors "$KEEPER")" = "$before" ] && has 2; }
	eventually settled
	[ "$(zombies)" = 0 ]
}
