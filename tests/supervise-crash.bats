#!/usr/bin/env bats
# spawn-fcgi --supervise: programs that crash, once or all the time.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

CRASH=$CGI/supervise-crash.sh

@test "a program that crashes at start is started more and more rarely" {
	supervise -s "$S" -- "$CRASH"
	sleep 2
	[ "$(grep -c 'exited with status 3 after' "$T/keeper.log")" -le 12 ]
	[ "$(grep -c 'exited with status 3 after' "$T/keeper.log")" -ge 3 ]
}

@test "a crash loop is told once, with the last end and the last lines" {
	supervise -s "$S" --crash-limit 3/10 -- "$CRASH"
	logged 'crash loop: 3 crashes in 10 s; the last process exited with status 3; '
	logged '; the last that it wrote: "cannot open the database", "it is closed"$'
	sleep 1.5
	logged_times 1 'crash loop'
}

@test "a crash loop slows down" {
	supervise -s "$S" --crash-limit 3/60 -F 3 -- "$CRASH"
	logged 'crash loop'
	sleep 1.5
	[ "$(grep -c 'exited with status 3 after' "$T/keeper.log")" -le 6 ]
}

@test "--give-up ends with the status of the program, and leaves nothing" {
	supervise -s "$S" --crash-limit 3/10 --give-up -- "$CRASH" 7 || :
	await keeper
	[ "$STATUS" = 7 ]
	logged 'giving up'
	nothing_left "$S" "$T/keeper.pid"
}

@test "--give-up never ends with 0" {
	supervise -s "$S" --crash-limit 2/10 --give-up -- /bin/true || :
	await keeper
	[ "$STATUS" = 1 ]
}

@test "a crash by a signal counts too, and ends with 1" {
	program <<<'sleep 0.05; kill -SEGV $$'
	supervise -s "$S" --crash-limit 3/10 --give-up -- "$T/prog" || :
	await keeper
	[ "$STATUS" = 1 ]
	logged 'was killed by signal 11'
}

@test "--give-up lets the others finish" {
	need_census
	need_app
	supervise -s "$S" -F 2 --crash-limit 2/10 --give-up -- "$APP"
	ask_later client wait="$T/go"
	sleep 0.2
	ask exit=1
	eventually has 2
	ask exit=1
	logged 'giving up'
	touch "$T/go"
	answered client
	await keeper
	[ "$STATUS" = 1 ]
}

@test "a program that has put itself in the background is told about" {
	program <<<'setsid sleep 3 & exit 0'
	supervise -s "$S" --crash-limit 2/10 -- "$T/prog"
	logged 'it must not put itself in the background'
}

@test "when the program works again, so does the pool" {
	need_app
	program <<<"[ -e $T/good ] || exit 4; exec $APP"
	supervise -s "$S" --crash-limit 2/1 -- "$T/prog"
	logged 'crash loop: 2'
	touch "$T/good"
	kill -HUP "$KEEPER"
	ask
	logged 'the crash loop is over'
}

@test "a connection that waits while the program crashes is served in the end" {
	need_app
	program <<<"[ -e $T/good ] || exit 4; exec $APP"
	supervise -s "$S" -- "$T/prog"
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
	supervise -s "$S" -F 40 --log "$T/app.log" -- "$T/prog"
	echo 0.15 >"$T/time"
	# shellcheck disable=SC2046
	kill $(children)
	before=$(descriptors "$KEEPER")
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
