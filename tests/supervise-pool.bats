#!/usr/bin/env bats
# spawn-fcgi --supervise: how many processes there are, and when they are replaced.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

# ask_many COUNT QUERY: so many requests at once, as processes client1, client2, ...
ask_many() {
	local i

	for ((i = 1; i <= $1; i++)); do
		ask_later "client$i" "$2"
	done
}

answered_all() {
	local i

	for ((i = 1; i <= $1; i++)); do
		answered "client$i"
	done
}

@test "dynamic: from one to the most, and back to the spare ones" {
	need_census
	need_app
	supervise -s "$S" --pm dynamic --max-children 5 --max-spare 2 -- "$APP"
	has 1
	ask_many 8 wait="$T/go"
	eventually has 5
	sleep 0.3
	has 5
	touch "$T/go"
	answered_all 8
	eventually has 2
	sleep 1.2
	has 2
	[ "$(zombies)" = 0 ]
}

@test "dynamic: at the start there are as many as -F says, or --start-servers" {
	need_census
	need_app
	supervise -s "$S" --pm dynamic -F 2 --max-spare 4 -- "$APP"
	has 2
	kill -TERM "$KEEPER"
	await keeper
	supervise -s "$S" --pm dynamic -F 2 --start-servers 3 --max-spare 4 -- "$APP"
	has 3
}

# refuses WORDS OPTION...: the options are refused with these words.
refuses() {
	local words=$1

	shift
	spawn --supervise "$@" -s "$S" -- /bin/sleep 60
	[ "$status" = 255 ] && [[ $stderr == *"spawn-fcgi: $words"* ]] && nothing_left "$S"
}

@test "numbers of processes that contradict are refused, and named" {
	refuses '--start-servers 4 must not be less than --min-spare 1 nor greater than --max-spare 3' \
		--pm dynamic --start-servers 4
	refuses '--start-servers 1 must not be less than --min-spare 2 nor greater than --max-spare 3' \
		--pm dynamic --start-servers 1 --min-spare 2
	refuses '--max-spare 3 must not be less than --min-spare 5' --pm dynamic --min-spare 5
	refuses '--min-spare 1 and --max-spare 3 must not be greater than --max-children 2' \
		--pm dynamic --max-children 2
	refuses '--start-servers needs --pm dynamic (-F says' --start-servers 2
	refuses '--start-servers needs --pm dynamic (ondemand starts' --pm ondemand --start-servers 2
	refuses '' --spawn-rate 0
}

@test "--start-servers and --spawn-rate need --supervise" {
	local option

	for option in '--start-servers 2' '--spawn-rate 5'; do
		# shellcheck disable=SC2086
		spawn $option -s "$S" -- /bin/sleep 60
		[ "$status" = 255 ]
		[[ $stderr == *"${option% *} needs --supervise"* ]]
	done
}

milliseconds() {
	echo $(($(date +%s%N) / 1000000))
}

@test "--spawn-rate: the start is at once; after that so many are started in a second" {
	local begin

	need_app
	begin=$(milliseconds)
	supervise -s "$S" -F 8 --spawn-rate 1 -- "$APP"
	[ $(($(milliseconds) - begin)) -lt 6500 ]
	has 8
	begin=$(milliseconds)
	# shellcheck disable=SC2046
	kill -KILL $(children)
	eventually -t 20 has 8
	[ $(($(milliseconds) - begin)) -ge 6900 ]
	ask
}

@test "--spawn-rate: a pool grows no faster" {
	local begin

	need_census
	need_app
	supervise -s "$S" --pm dynamic --max-children 5 --spawn-rate 1 -- "$APP"
	kill -STOP "$KEEPER"
	ask_many 6 wait="$T/go"
	sleep 0.3
	begin=$(milliseconds)
	kill -CONT "$KEEPER"
	eventually has 5
	[ $(($(milliseconds) - begin)) -ge 2900 ]
	touch "$T/go"
	answered_all 6
}

@test "--spawn-rate does not hold up a reload" {
	local begin

	need_app
	supervise -s "$S" -F 12 --spawn-rate 1 -- "$APP"
	begin=$(milliseconds)
	kill -HUP "$KEEPER"
	eventually -t 20 logged_times 1 'reloaded$'
	[ $(($(milliseconds) - begin)) -le 10000 ]
	has 12
}

@test "dynamic: real PHP, over TCP" {
	need_census
	need_php
	need cgi-fcgi
	local port i

	port=$(free_port)
	supervise -a 127.0.0.1 -p "$port" --pm dynamic --max-children 4 --max-spare 1 -- "$PHP"
	has 1
	for i in {1..4}; do
		start "php$i" env -i PATH="$PATH" REQUEST_METHOD=GET SCRIPT_FILENAME="$T/x.php" \
			QUERY_STRING=ms=4000 cgi-fcgi -bind -connect "127.0.0.1:$port"
	done
	eventually -t 3 has 4
	for i in {1..4}; do
		await "php$i"
		grep -q '^pid ' "$T/php$i.out"
	done
	eventually has 1
}

@test "dynamic: spare processes are there before a queue is" {
	need_census
	need_app
	supervise -s "$S" --pm dynamic --min-spare 2 --max-children 9 -- "$APP"
	has 2
	ask_later client wait="$T/go"
	# One that is accepted at once may come unseen, but not several.
	spare() { ask && [ "$(children | wc -l)" -ge 3 ]; }
	eventually spare
	touch "$T/go"
	answered client
}

@test "a queue gets a process while the only one serves on" {
	need_census
	need_app
	supervise -s "$S" --pm dynamic --max-children 4 --max-spare 1 -- "$APP"
	ask
	eventually has 1
	ask_many 2 wait="$T/go"
	several() { [ "$(children | wc -l)" -ge 2 ]; }
	eventually several
	touch "$T/go"
	answered_all 2
}

@test "dynamic: who serves is not ended for being one too many" {
	need_census
	need_app
	supervise -s "$S" --pm dynamic --max-children 6 --max-spare 1 -- "$APP" naive
	ask_many 5 wait="$T/go"
	eventually has 6
	touch "$T/go"
	answered_all 5
	logged_times 0 'killed by signal (9|15).*s$'
	eventually has 1
}

@test "ondemand: none, as many as are needed, none" {
	need_census
	need_app
	supervise -s "$S" --pm ondemand --max-children 3 --idle-timeout 3 -- "$APP"
	has 0
	ask
	has 1
	ask_many 5 wait="$T/go"
	eventually has 3
	touch "$T/go"
	answered_all 5
	eventually has 0
	ask
	has 1
}

@test "ondemand: real PHP" {
	need_census
	need_php
	need cgi-fcgi
	supervise -s "$S" --pm ondemand --idle-timeout 500ms -- "$PHP"
	has 0
	env -i PATH="$PATH" REQUEST_METHOD=GET SCRIPT_FILENAME="$T/x.php" cgi-fcgi -bind \
		-connect "$S" | grep '^pid '
	eventually -t 5 has 0
}

@test "a program that forks its own processes is busy when one of them is" {
	need_census
	need_php
	need cgi-fcgi
	supervise -s "$S" -C 2 --stop-timeout 10 -- "$PHP"
	eventually pgrep -P "$(children)"
	start php env -i PATH="$PATH" REQUEST_METHOD=GET SCRIPT_FILENAME="$T/x.php" \
		QUERY_STRING=ms=1200 cgi-fcgi -bind -connect "$S"
	sleep 0.3
	local family

	family=$(pgrep -P "$(children)")
	kill -TERM "$KEEPER"
	await php
	grep '^pid ' "$T/php.out"
	await keeper
	[ "$STATUS" = 0 ]
	for pid in $family; do
		gone "$pid"
	done
}

@test "PHP's own processes are ended when their parent was killed" {
	need_census
	need_php
	local old family pid

	supervise -s "$S" -C 2 -- "$PHP"
	old=$(children)
	eventually pgrep -P "$old"
	family=$(pgrep -P "$old")
	kill -KILL "$old"
	eventually replaced "$old"
	for pid in $family; do
		eventually gone "$pid"
	done
	eventually has 1
	eventually pgrep -P "$(children)"
}

@test "--max-lifetime replaces a process, and its request finishes" {
	local old

	need_census
	need_app
	supervise -s "$S" --max-lifetime 4 -- "$APP" naive
	old=$(children)
	ask_later client wait="$T/go"
	logged "process $old is old"
	touch "$T/go"
	answered client
	grep "pid $old" "$T/client.out"
	eventually replaced "$old"
	ask
}

@test "a --max-memory below the size of a fresh process is told, and does not replace for ever" {
	need_census
	need_app
	supervise -s "$S" --max-memory 1m -- "$APP"
	told() { ask && grep -q 'had more than --max-memory 1048576 within 10 s' "$T/keeper.log"; }
	eventually -t 20 told
	logged '3 processes in a row had more .* the last one [0-9]{7,}: raise it'
	for _ in {1..40}; do
		ask
		sleep 0.1
	done
	# Without that, one in a second.
	logged_times 1 'processes in a row'
	[ "$(grep -c 'is too large' "$T/keeper.log")" -le 6 ]
}

@test "--max-memory replaces a process that has grown" {
	local old

	need_census
	need_app
	supervise -s "$S" --max-memory 60m -- "$APP"
	ask
	sleep 0.2
	logged_times 0 'too large'
	ask grow=80
	old=$ANSWERED_BY
	told() { ask && grep "process $old is too large" "$T/keeper.log"; }
	eventually told
	eventually replaced "$old"
	ask
}

@test "--exit-on-idle ends when nobody connects, but not while somebody is served" {
	need_census
	need_app
	supervise -s "$S" --exit-on-idle 3 -- "$APP"
	ask_later client wait="$T/go"
	sleep 4.5
	alive "$KEEPER"
	touch "$T/go"
	answered client
	await keeper
	[ "$STATUS" = 0 ]
	logged 'nobody has connected'
}

@test "root of a container, who may not look at others, sees who is busy" {
	need_census
	need_users
	need_app
	need setpriv
	supervised() {
		start keeper setpriv --bounding-set=-sys_ptrace "$SPAWN_FCGI" --supervise -n \
			-P "$T/keeper.pid" -s "$S" -M 0666 -u "$USER_A" --pm dynamic \
			--max-children 3 --max-spare 1 -- "$APP" naive
		KEEPER=$(pid_of keeper)
		eventually test -s "$T/keeper.pid"
	}
	supervised
	ask_many 4 wait="$T/go"
	eventually has 3
	touch "$T/go"
	answered_all 4
	eventually has 1
}

# fcgiwrap_is_idle [OPTION...]: one that idles is enough; where that is hidden, more are started.
fcgiwrap_is_idle() {
	need_census
	need_users
	chmod 711 "$T"
	supervise -s "$S" --pm dynamic --max-children 3 --max-spare 1 "$@" -- "$FCGIWRAP"
	sleep 2.5
	has 1
}

@test "fcgiwrap, which hides from its own user, is seen to be idle by root" {
	fcgiwrap_is_idle -u "$USER_A"
}

@test "and by its own user" {
	need setpriv
	chown "$USER_A" "$T"
	supervise() {
		start keeper setpriv --reuid="$USER_A" --clear-groups "$SPAWN_FCGI" --supervise -n \
			-P "$T/keeper.pid" "$@"
		KEEPER=$(pid_of keeper)
		eventually test -s "$T/keeper.pid"
	}
	fcgiwrap_is_idle
}

@test "where busy and idle cannot be told, the most run all the time" {
	[ ! -e "$FCGI_BUILD/spawn/census-linux.o" ] || skip 'they can be told here'
	need_app
	supervise -s "$S" --pm dynamic --max-children 4 -- "$APP"
	has 4
	logged '4 run all the time'
}

@test "no process is woken while nothing happens" {
	need_proc
	need_census
	need_app
	supervise -s "$S" --pm dynamic --max-spare 1 -- "$APP"
	ask
	sleep 2.5
	local before

	before=$(status_of "$KEEPER" voluntary_ctxt_switches)
	sleep 1.5
	[ "$(status_of "$KEEPER" voluntary_ctxt_switches)" = "$before" ]
}
