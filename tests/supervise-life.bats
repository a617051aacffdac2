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

# at_port [OPTION...] -- PROGRAM...: on a TCP port.
at_port() {
	PORT=$(free_port)
	SOCKET=tcp:127.0.0.1:$PORT
	supervise -a 127.0.0.1 -p "$PORT" "$@"
}

# wait_at_port COUNT: so many connections wait there to be accepted.
wait_at_port() {
	[ "$(awk -v port="$(printf '%04X' "$PORT")" '
		$4 == "0A" && $2 ~ ":" port "$" { print substr($5, 10) }' /proc/net/tcp*)" = \
		"$(printf '%08X' "$1")" ]
}

# The only connection there is accepted.
is_accepted_at_port() {
	grep -qE ": [0-9A-F]+:$(printf '%04X' "$PORT") [^ ]+ 01" /proc/net/tcp* && wait_at_port 0
}

# saturate_port: the only process of a pool is busy until there is $T/go, and five wait.
saturate_port() {
	local i

	rm -f "$T/go"
	ask_later client0 wait="$T/go"
	eventually is_accepted_at_port
	for i in {1..5}; do
		ask_later "client$i" ms=1
	done
	eventually wait_at_port 5
}

all_answered() {
	local i

	for i in {0..5}; do
		answered "client$i" || return 1
	done
}

# refused: who connects is turned away at once.
refused() {
	[[ $(timeout 1 "$FCGI_TALK" "$SOCKET" close 2>&1) == *'Connection refused'* ]]
}

# without CALL...: setsockopt is refused in these uses from here on.
without() {
	local call rules=()

	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	for call in "$@"; do
		rules+=("setsockopt-$call=EPERM")
	done
	"$FCGI_BUILD/tests/deny" --can "${rules[@]}" 2>/dev/null || skip 'this system cannot refuse it'
	TEST_WRAPPER="$FCGI_BUILD/tests/deny ${rules[*]} --"
}

need_gate() {
	[ -e "$FCGI_BUILD/spawn/gate-linux.o" ] || skip 'built without a gate'
}

@test "TERM: who waits in the queue of a port is served, and who comes later is refused at once" {
	local manner

	need_gate
	need_census
	need_app
	# One that ends gracefully may be asked at once; but not before all are served.
	for manner in "--stop-busy 0 -- $APP" "-- $APP naive"; do
		# shellcheck disable=SC2086
		at_port $manner
		saturate_port
		kill -TERM "$KEEPER"
		eventually refused
		wait_at_port 5
		touch "$T/go"
		all_answered
		await keeper
		[ "$STATUS" = 0 ]
		logged_times 0 'cannot refuse'
	done
}

@test "TERM: a port of IPv6, or of any address, refuses who comes later, too" {
	local address host

	need_gate
	need_census
	need_app
	for address in :: 0.0.0.0; do
		PORT=$(free_port)
		[ "$address" = :: ] && SOCKET="tcp6:[::1]:$PORT" || SOCKET=tcp:127.0.0.1:$PORT
		supervise -a "$address" -p "$PORT" -- "$APP" || skip 'no IPv6 here'
		ask_later busy wait="$T/go$PORT"
		eventually is_accepted_at_port
		ask_later waiting ms=1
		eventually wait_at_port 1
		kill -TERM "$KEEPER"
		eventually refused
		touch "$T/go$PORT"
		answered busy
		answered waiting
		await keeper
	done
}

@test "TERM: where a port cannot refuse, who comes later waits until the end, not in the queue" {
	need_gate
	need_census
	need_app
	without bindtoifindex
	at_port -- "$APP"
	saturate_port
	kill -TERM "$KEEPER"
	not_answered() { not timeout 0.2 "$FCGI_TALK" "$SOCKET" close; }
	eventually not_answered
	start late "$FCGI_TALK" "$SOCKET" get /x QUERY_STRING=ms=1
	sleep 0.3
	wait_at_port 5
	touch "$T/go"
	all_answered
	await keeper
	await late 20 # it asks again after 1, 3, 7 and 15 s
	[ "$STATUS" != 0 ]
	grep -q 'Connection refused' "$T/late.log"
	logged_times 0 'cannot refuse'
}

@test "TERM: where nothing keeps others from the queue, all is over after --stop-timeout" {
	local begin

	need_census
	need_app
	without bindtoifindex attach-filter
	at_port --stop-timeout 4 -- "$APP" naive
	talk_on load 4 get /x QUERY_STRING=ms=50
	sleep 0.3
	begin=$EPOCHREALTIME
	kill -TERM "$KEEPER"
	await keeper
	[ "$STATUS" = 0 ]
	awk "BEGIN { exit !($EPOCHREALTIME - $begin < 5.5) }"
	logged 'cannot refuse new connections while others are served: Operation not permitted'
}

@test "TERM: all is over after --stop-timeout, too, if those who wait are not served" {
	local begin

	need_census
	need_app
	at_port --stop-timeout 4 -- "$APP" naive
	saturate_port
	begin=$EPOCHREALTIME
	kill -TERM "$KEEPER"
	await keeper
	[ "$STATUS" = 0 ]
	awk "BEGIN { exit !($EPOCHREALTIME - $begin < 5.5) }"
}

@test "TERM: a process that ends meanwhile is replaced as long as others wait" {
	local i

	need_app
	supervise -s "$S" -- "$APP"
	ask_later busy wait="$T/go&exit=0"
	sleep 0.2
	for i in 1 2 3; do
		ask_later "client$i" exit=0
	done
	sleep 0.2
	kill -TERM "$KEEPER"
	eventually not test -e "$S"
	touch "$T/go"
	answered busy
	for i in 1 2 3; do
		answered "client$i"
	done
	await keeper
	[ "$STATUS" = 0 ]
}

@test "TERM: who waits does not keep a program alive that fails" {
	need_app
	cp "$APP" "$T/prog"
	supervise -s "$S" --stop-timeout 60 -- "$T/prog"
	ask_later busy wait="$T/go&exit=0"
	sleep 0.2
	ask_later waiting ms=1
	sleep 0.2
	rm "$T/prog"
	program <<<'exit 5'
	kill -TERM "$KEEPER"
	eventually not test -e "$S"
	touch "$T/go"
	answered busy
	await keeper 5
	[ "$STATUS" = 0 ]
}

@test "a second TERM ends all at once, also while others wait" {
	need_app
	supervise -s "$S" -- "$APP"
	ask_later busy wait="$T/never"
	sleep 0.2
	ask_later waiting ms=1
	sleep 0.2
	kill -TERM "$KEEPER"
	eventually not test -e "$S"
	kill -TERM "$KEEPER"
	await keeper 3
	[ "$STATUS" = 0 ]
	logged_times 1 'hello$' # nobody was started for them
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

@test "HUP: also when its time is over there is one process too many, not more" {
	local most=0 now end=$((SECONDS + 20))

	need_census
	need_app
	at_port -F 2 --stop-timeout 4 -- "$APP" deaf
	ask_later one wait="$T/never"
	ask_later two wait="$T/never"
	kill -HUP "$KEEPER"
	until grep -q 'reloaded$' "$T/keeper.log"; do
		now=$(children | wc -l)
		[ "$now" -le "$most" ] || most=$now
		[ "$SECONDS" -lt "$end" ]
	done
	[ "$most" = 3 ]
	eventually has 2
}

@test "HUP: when its time is over, a process that still starts is counted" {
	need_census
	need_app
	program <<-END
		[ ! -e $T/slow ] || mkdir $T/first 2>/dev/null || sleep 4
		exec $APP
	END
	supervise -s "$S" -F 3 --stop-timeout 2 --start-time 30 -- "$T/prog"
	ask_later one wait="$T/never"
	ask_later two wait="$T/never"
	touch "$T/slow"
	kill -HUP "$KEEPER"
	logged 'reloaded$'
	[ "$(grep -c hello "$T/keeper.log")" -le 6 ]
	has 3
	ask
}

@test "HUP beside a HUP: no process stays that began before the second one" {
	need_census
	need_proc
	need_app
	echo 1 >"$T/conf"
	program <<-END
		export CONF=\$(cat $T/conf)
		sleep 0.5
		exec $APP
	END
	supervise -s "$S" -F 3 -- "$T/prog"
	echo 2 >"$T/conf"
	kill -HUP "$KEEPER"
	eventually has 4
	echo 3 >"$T/conf"
	kill -HUP "$KEEPER"
	logged 'reloaded$'
	has 3
	for pid in $(children); do
		tr '\0' '\n' <"/proc/$pid/environ" | grep -qx CONF=3
	done
}

@test "HUP: a socket that a process has made non-blocking is blocking again" {
	need_census
	need_app
	program <<-END
		if [ -e $T/block ]; then
			perl -MFcntl -e 'fcntl(STDIN, F_SETFL, O_NONBLOCK) or die'
			rm $T/block
		fi
		exec $APP
	END
	supervise -s "$S" -- "$T/prog"
	ask
	touch "$T/block"
	kill -KILL "$ANSWERED_BY"
	logged 'exited with status 0'
	kill -HUP "$KEEPER"
	logged 'the socket was made non-blocking by a process of the pool'
	eventually ask
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
	talk_on load 6 get "$CGI/hello.sh" expect-text hello
	in_load() { [ "$(clients_here)" -ge 6 ]; }
	eventually in_load
	kill -HUP "$KEEPER"
	eventually replaced "$old"
	talked_well load
}

@test "HUP of processes that are never idle: a new socket takes the place of the old one" {
	local old file

	need ss
	need_census
	need_app
	supervise -s "$S" -F 2 -M 0640 --stop-timeout 8 -- "$APP" naive
	old=$(children)
	file=$(stat -c %i "$S")
	starve_by_load
	logged 'reloaded$'
	eventually replaced $old
	end_load
	has 2
	[ "$(stat -c %i "$S")" != "$file" ]
	[ "$(mode_of "$S")" = 640 ]
	ask
	kill -TERM "$KEEPER"
	await keeper
	nothing_left "$S" "$S.new" "$T/keeper.pid"
}

@test "HUP of processes that are never idle, again and again: no descriptor too many" {
	local before

	need ss
	need_census
	need_app
	need_proc
	supervise -s "$S" -F 2 --stop-timeout 4 -- "$APP" naive
	before=$(descriptors "$KEEPER")
	starve_by_load
	starve
	starve
	end_load
	settled() { [ "$(descriptors "$KEEPER")" = "$before" ] && has 2; }
	eventually settled
}

@test "HUP of processes that are never idle: USR2 waits until the old ones have gone" {
	need ss
	need_census
	need_app
	supervise -s "$S" -F 2 --stop-timeout 60 -- "$APP" naive
	ask_later long wait="$T/go"
	starve_by_load
	kill -USR2 "$KEEPER"
	logged 'USR2 is heeded when the reload is complete'
	logged_times 0 'goes on with the processes'
	touch "$T/go"
	answered long
	logged 'goes on with the processes'
	end_load
	ask
}

@test "HUP of processes that are never idle: TERM serves who waits at the new socket" {
	need ss
	need_census
	need_app
	supervise -s "$S" -F 2 --stop-timeout 60 -- "$APP" naive
	ask_later long wait="$T/go"
	starve_by_load
	start late "$FCGI_BUILD/tests/bench/load" -j 20 -n 20 -t 20 "$SOCKET" '/x?ms=20'
	have_come() { [ "$(descriptors "$(pid_of late)")" -ge 20 ]; }
	eventually have_come
	eventually -t 5 waits 1
	kill -TERM "$(pid_of load)"
	kill -TERM "$KEEPER"
	touch "$T/go"
	answered long
	await late
	cat "$T/late.out"
	[ "$STATUS" = 0 ]
	await keeper
	[ "$STATUS" = 0 ]
}

@test "HUP of processes that are never idle: who waits is served, though the old ones end by themselves" {
	local name

	need ss
	need_census
	need_app
	supervise -s "$S" -F 2 --start-time 0.1 --stop-timeout 16 -- "$APP"
	hang_and_divert "wait=$T/go&exit=0"
	touch "$T/go"
	for name in old1 old2 old3 old4 old5 old6; do
		answered "$name"
	done
	logged 'reloaded$'
	ask
	has 2
}

@test "USR2: TERM that comes while spawn-fcgi executes itself anew is for the new program" {
	[ ! -e /dev/log ] || skip 'a syslog daemon, for which it would wait, is here'
	supervise -s "$S" --log syslog -- /bin/sleep 60
	kill -USR2 "$KEEPER"
	pause 80
	kill -TERM "$KEEPER"
	await keeper
	[ "$STATUS" = 0 ]
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

# upgradable [OPTION...]: a supervisor whose binary, $T/bin, can be replaced.
upgradable() {
	cp "$SPAWN_FCGI" "$T/bin"
	SPAWN_FCGI=$T/bin supervise -s "$S" "$@"
}

# replace_binary FILE, or <<TEXT: what takes its place, perhaps as a script.
replace_binary() {
	if [ $# -gt 0 ]; then
		cp "$1" "$T/new"
	else
		{ echo '#!/bin/sh'; cat; } >"$T/new"
	fi
	chmod 755 "$T/new"
	mv "$T/new" "$T/bin"
}

# goes_on: the same supervisor still does its work.
goes_on() {
	ask
	kill -KILL "$ANSWERED_BY"
	eventually replaced "$ANSWERED_BY"
	eventually has 1
	ask
}

@test "USR2: what is no spawn-fcgi cannot take over, and the old one goes on" {
	local other

	need_app
	upgradable -- "$APP"
	for other in /bin/true /usr/bin/php-cgi; do
		[ -x "$other" ] || continue
		replace_binary "$other"
		kill -USR2 "$KEEPER"
		eventually logged_times 1 'cannot take over'
		logged_times 0 'goes on with the processes'
		goes_on
		: >"$T/keeper.log"
	done
}

@test "USR2: the classic spawn-fcgi cannot take over, and the old one goes on" {
	local classic

	classic=$(PATH=/usr/bin:/usr/sbin command -v spawn-fcgi) || skip 'no classic spawn-fcgi here'
	[[ $("$classic" -v) == *' v1.'* ]] || skip 'no classic spawn-fcgi here'
	need_app
	upgradable -- "$APP"
	replace_binary "$classic"
	kill -USR2 "$KEEPER"
	logged "tried by USR2, exited with status [0-9]+, and cannot take over \(this one goes on\)"
	logged 'tried by USR2, says: .*invalid option'
	goes_on
	[ "$(cat "$T/keeper.pid")" = "$KEEPER" ]
}

@test "USR2 with a log that cannot be opened: the old one goes on, says why, and nothing is lost" {
	need_app
	mkdir "$T/logs"
	upgradable -F 2 --log "$T/logs/log" -- "$APP"
	LOGFILE=$T/gone/log
	mv "$T/logs" "$T/gone"
	talk_on load 4 get /x
	kill -USR2 "$KEEPER"
	logged "tried by USR2, says: .*--log: cannot open $T/logs/log: No such file"
	logged 'tried by USR2, exited with status 255, and cannot take over'
	talked_well load
	has 2
	mkdir "$T/logs"
	kill -USR2 "$KEEPER"
	LOGFILE=$T/logs/log
	logged 'goes on with the processes that there are'
}

@test "USR2: one that does not say whether it can take over is ended, and the next may" {
	need_app
	upgradable --stop-timeout 1 -- "$APP"
	replace_binary <<<'sleep 77; true'
	kill -USR2 "$KEEPER"
	eventually has 2
	logged 'does not say in time whether it can take over \(--stop-timeout\); killing it'
	logged 'was killed by signal 9 \(Killed\), and cannot take over'
	eventually has 1
	not pgrep -f '^sleep 77$'
	replace_binary "$SPAWN_FCGI"
	kill -USR2 "$KEEPER"
	logged 'goes on with the processes'
	goes_on
}

@test "USR2: one that writes without end does not hold up anything" {
	need_app
	upgradable --stop-timeout 2 -- "$APP"
	replace_binary <<<'while :; do echo "a long line that says nothing"; done 2>/dev/null'
	kill -USR2 "$KEEPER"
	logged 'says: a long line'
	ask
	ask
	logged 'killed by signal 9 \(Killed\), and cannot take over'
	logged 'lines dropped'
	[ "$(wc -l <"$T/keeper.log")" -lt 1000 ]
	goes_on
}

@test "USR2: half a line of the program is not broken by a try that fails" {
	need_app
	program <<-'END'
		printf half >&2
		while ! [ -e "$0.go" ]; do sleep 0.02; done
		echo ' a line' >&2
		sleep 60
	END
	upgradable --start-time 0.1 -- "$T/prog"
	replace_binary /bin/true
	kill -USR2 "$KEEPER"
	logged 'cannot take over'
	touch "$T/prog.go"
	logged '] half a line$'
}

@test "TERM while USR2 is tried ends all at once" {
	need_app
	upgradable -- "$APP"
	replace_binary <<<'sleep 78; true'
	kill -USR2 "$KEEPER"
	eventually has 2
	eventually pgrep -f '^sleep 78$'
	kill -TERM "$KEEPER"
	await keeper 3
	[ "$STATUS" = 0 ]
	eventually not pgrep -f '^sleep 78$'
	nothing_left "$S" "$T/keeper.pid"
}

@test "HUP while USR2 is tried: both are done" {
	local old

	need_app
	upgradable -F 2 -- "$APP"
	old=$(children)
	replace_binary <<-END
		while ! [ -e $T/go ]; do sleep 0.02; done
		exec $SPAWN_FCGI "\$@"
	END
	kill -USR2 "$KEEPER"
	eventually has 3
	kill -HUP "$KEEPER"
	logged 'reloading$'
	touch "$T/go"
	logged 'goes on with the processes'
	logged 'reloaded$'
	eventually has 2
	# shellcheck disable=SC2086
	replaced $old
	ask
}

@test "USR2 while USR2 is tried: it is executed once" {
	need_app
	upgradable -- "$APP"
	replace_binary <<-END
		while ! [ -e $T/go ]; do sleep 0.02; done
		exec $SPAWN_FCGI "\$@"
	END
	kill -USR2 "$KEEPER"
	eventually has 2
	kill -USR2 "$KEEPER"
	sleep 0.1
	has 2
	touch "$T/go"
	logged 'goes on with the processes'
	eventually has 1
	logged_times 1 'goes on with the processes'
	ask
}

@test "USR2: a user that is not known any more: the old one goes on" {
	need_users
	need_app
	need unshare nsenter
	unshare -m true || skip 'cannot mount here'
	cp /etc/passwd "$T/passwd"
	cp "$SPAWN_FCGI" "$T/bin"
	start keeper unshare -m sh -c 'mount --bind "$1" /etc/passwd && shift && exec "$@"' sh \
		"$T/passwd" "$T/bin" --supervise -n -P "$T/keeper.pid" -u "$USER_A" -s "$S" -- "$APP"
	KEEPER=$(pid_of keeper)
	eventually test -s "$T/keeper.pid"
	sed -i.old "/^$USER_A:/d" "$T/passwd"
	nsenter -t "$KEEPER" -m mount --bind "$T/passwd" /etc/passwd
	kill -USR2 "$KEEPER"
	logged "tried by USR2, says: .*can't find user name $USER_A"
	logged 'exited with status 255, and cannot take over'
	goes_on
	nsenter -t "$KEEPER" -m umount /etc/passwd
	kill -USR2 "$KEEPER"
	logged 'goes on with the processes'
}

@test "USR2 during a reload: a new process that does not come up still costs no old one" {
	local old

	need_app
	need_sight
	cp "$APP" "$T/prog"
	supervise -s "$S" --start-time 30 -- "$T/prog"
	old=$(children)
	rm "$T/prog"
	program <<<"while ! [ -e $T/fail ]; do sleep 0.02; done; exit 5"
	kill -HUP "$KEEPER"
	eventually has 2
	kill -USR2 "$KEEPER"
	logged 'goes on with the processes'
	sleep 0.3
	touch "$T/fail"
	logged 'the reload is given up'
	[ "$(children)" = "$old" ]
	ask
}

@test "USR2 during a reload: who is idle first is still replaced first" {
	local first second

	need_census
	need_app
	supervise -s "$S" -F 2 --stop-busy 60 -- "$APP" naive
	first=$(children | head -n 1)
	second=$(children | tail -n 1)
	kill -STOP "$second"
	ask_later older wait="$T/go1"
	has_connection() { [ "$(readlink "/proc/$1/fd"/* | grep -c '^socket:')" = 2 ]; }
	eventually has_connection "$first"
	kill -CONT "$second"
	ask_later younger wait="$T/go2"
	eventually has_connection "$second"
	kill -HUP "$KEEPER"
	eventually has 3
	sleep 0.5 # while none of them is idle
	kill -USR2 "$KEEPER"
	logged 'goes on with the processes'
	sleep 0.3
	touch "$T/go2"
	answered younger
	eventually replaced "$second"
	alive "$first"
	touch "$T/go1"
	answered older
	logged 'reloaded$'
}

@test "what a dead process has left behind is ended, also after USR2, and at a stop" {
	local how

	need_census
	need_app
	program <<-END
		perl -e '\$SIG{TERM} = "IGNORE"; sleep 76' -- left_behind </dev/null &
		exec '$APP'
	END
	for how in TERM later; do
		supervise -s "$S" --stop-timeout 2 -- "$T/prog"
		ask exit=1
		left=$(pgrep -f left_behind -s "$ANSWERED_BY")
		logged "process $ANSWERED_BY exited with status 1"
		kill -USR2 "$KEEPER"
		logged 'goes on with the processes that there are'
		[ "$how" = later ] || kill -TERM "$KEEPER"
		eventually -t 4 gone "$left"
		stop keeper
		[ "$STATUS" = 0 ]
		rm -f "$T/keeper.log"
	done
}

@test "what a dead process has left behind, with its connection, is ended in time, also after USR2" {
	local how

	need_census
	need_app
	supervise -s "$S" --stop-timeout 2 -- "$APP"
	for how in USR1 USR2; do
		ask 'leave=76.25&exit=1'
		left=$(pgrep -f '^sleep 76.25$' -s "$ANSWERED_BY")
		logged "process $ANSWERED_BY exited with status 1"
		kill -"$how" "$KEEPER"
		eventually -t 5 gone "$left"
	done
}
