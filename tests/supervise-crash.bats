#!/usr/bin/env bats
# spawn-fcgi --supervise: programs that crash, once or all the time.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

CRASH=$CGI/supervise-crash.sh

# supervise_breakable [OPTION...]: a pool that serves; break_it: what is started from then on fails,
# and one that served is gone.
supervise_breakable() {
	need_app
	touch "$T/good"
	program <<<"[ -e $T/good ] && exec $APP; exec $CRASH ${STATUS_OF_CRASH-3}"
	supervise -s "$S" "$@" -- "$T/prog"
}

break_it() {
	rm "$T/good"
	kill -KILL "$(children | head -n 1)"
}

@test "a program that fails at start fails the start, with its status" {
	supervise -s "$S" -- "$CRASH" 7 || :
	await keeper
	[ "$STATUS" = 7 ]
	logged 'cannot open the database$'
	logged 'exited with status 7 after'
	logged 'the start has failed, since a process ended before it served$'
	nothing_left "$S" "$T/keeper.pid"
}

@test "a program that fails a while after its start fails the start, too" {
	program <<<'sleep 0.5; exit 7'
	supervise -s "$S" -F 3 --start-time 3 -- "$T/prog" || :
	await keeper
	[ "$STATUS" = 7 ]
	nothing_left "$S" "$T/keeper.pid"
}

@test "a program that is killed at start, or ends with 0, fails the start with 1" {
	local command

	for command in 'sleep 0.05; kill -SEGV $$' 'exit 0'; do
		program <<<"$command"
		supervise -s "$S" -- "$T/prog" || :
		await keeper
		[ "$STATUS" = 1 ]
	done
	logged 'it must not put itself in the background'
}

@test "a start without enough processes has failed, with 255 and the reason" {
	need prlimit
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	TEST_WRAPPER='prlimit --nofile=24' supervise -s "$S" -F 50 -- /bin/sleep 3599 || :
	await keeper
	[ "$STATUS" = 255 ]
	logged 'cannot start process [0-9]+: Too many open files$'
	nothing_left "$S" "$T/keeper.pid"
}

@test "a program that crashes at each start is started more and more rarely, but always again" {
	failed() { [ "$(grep -c 'exited with status 3 after' "$T/keeper.log")" -ge "$1" ]; }

	supervise_breakable
	break_it
	eventually failed 3
	sleep 2
	[ "$(grep -c 'exited with status 3 after' "$T/keeper.log")" -le 16 ]
	eventually -t 30 failed 12
}

@test "a crash loop is told once, with the last end and the last lines" {
	supervise_breakable --crash-limit 3/10
	break_it
	logged 'crash loop: 3 crashes in 10 s; the last process exited with status 3; '
	logged '; the last that it wrote: "cannot open the database", "it is closed"$'
	sleep 1.5
	logged_times 1 'crash loop'
}

@test "--give-up ends with the status of the program, and leaves nothing" {
	STATUS_OF_CRASH=7 supervise_breakable --crash-limit 3/10 --give-up
	break_it
	await keeper
	[ "$STATUS" = 7 ]
	logged 'giving up'
	nothing_left "$S" "$T/keeper.pid"
}

@test "--give-up lets the others finish" {
	need_census
	supervise_breakable -F 2 --crash-limit 2/10 --give-up
	ask_later client wait="$T/go"
	eventually has 2
	rm "$T/good"
	ask exit=0
	logged 'giving up'
	touch "$T/go"
	answered client
	await keeper
	[ "$STATUS" = 3 ]
}

@test "deaths at work are no crash loop: each is replaced at once" {
	need_app
	supervise -s "$S" -F 3 --start-time 0.2 --crash-limit 2/60 --give-up -- "$APP"
	for _ in 1 2 3 4 5 6; do
		# All count as serving after that time, also those that nobody saw wait.
		sleep 0.4
		ask exit=1
	done
	eventually has 3
	ask
	logged_times 6 'exited with status 1 after'
	logged_times 0 'crash loop'
}

@test "requests that crash, three in a second, let nobody else wait for more than a second" {
	need_app
	supervise -s "$S" -F 5 -- "$APP"
	for _ in {1..12}; do
		ask_later poison exit=1
		for _ in 1 2 3; do
			talk timeout 1 get /x QUERY_STRING=ms=1 >/dev/null
			sleep 0.1
		done
		await poison
	done
	logged_times 0 'crash loop'
	logged_times 12 'exited with status 1 after'
}

@test "when the program works again, so does the pool" {
	supervise_breakable --crash-limit 2/1
	break_it
	logged 'crash loop: 2'
	touch "$T/good"
	kill -HUP "$KEEPER"
	ask
	logged 'the crash loop is over'
}

@test "a connection that waits while the program crashes is served in the end" {
	supervise_breakable
	break_it
	logged 'exited with status 3'
	ask_later client ms=1
	sleep 0.3
	touch "$T/good"
	answered client
}

@test "1,000 ends leave no zombie and no descriptor" {
	local before

	need_proc
	# The first ones live until all of them do, however slow the machine is.
	echo 3599 >"$T/time"
	program <<-END
		read time <'$T/time'
		exec /bin/sleep "\$time"
	END
	supervise -s "$S" -F 40 --spawn-rate 1000 --start-time 100ms --log "$T/app.log" -- "$T/prog"
	before=$(descriptors "$KEEPER")
	echo 0.3 >"$T/time"
	# shellcheck disable=SC2046
	kill $(children)
	LOGFILE=$T/app.log
	many() { [ "$(grep -c 'exited with status 0' "$T/app.log")" -ge 1000 ]; }
	eventually -t 120 many
	echo 3599 >"$T/time"
	eventually has 40
	no_more() { [ "$(descriptors "$KEEPER")" -le "$before" ]; }
	no_zombies() { [ "$(zombies)" = 0 ]; }
	eventually no_more
	eventually no_zombies
	kill -TERM "$KEEPER"
	await keeper
	[ -z "$(pgrep -f '^/bin/sleep 3599$')" ]
}
