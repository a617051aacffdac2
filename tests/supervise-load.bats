#!/usr/bin/env bats
# spawn-fcgi --supervise under load: nothing is refused and nothing fails while processes are
# killed, replaced and the supervisor itself is executed anew.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

export PHP_FCGI_MAX_REQUESTS=100000 # else PHP ends by itself now and then
REQUESTS=1500

# nginx in front of what serves $S.
start_front() {
	start_nginx <<-'END'
		location / {
			include fastcgi_params;
			fastcgi_param SCRIPT_FILENAME @T@/x.php;
			fastcgi_pass unix:@T@/s;
		}
	END
}

# $REQUESTS requests through nginx that take 5 ms each, by four clients; the count of each status
# is in $T/load.
load_front() {
	local i pids=()

	for i in 1 2 3 4; do
		curl_ -o /dev/null -w '%{http_code}\n' "$URL/?ms=5&n=[1-$((REQUESTS / 4))]" \
			>"$T/codes$i" 2>"$T/curl$i" &
		pids+=($!)
	done
	wait "${pids[@]}"
	cat "$T"/codes? | sort | uniq -c | sed 's/^ *//' >"$T/load"
}

start_load() {
	load_front &
	LOAD=$!
	eventually has_match 'n=9 ' "$T/nginx-access.log"
}

is_loading() {
	kill -0 "$LOAD" 2>/dev/null
}

# all_good: all requests were answered, by 200.
all_good() {
	wait "$LOAD"
	cat "$T/load"
	[ "$(cat "$T/load")" = "$REQUESTS 200" ]
}

@test "a storm of KILL: nothing is refused, and only what was being served is lost" {
	need_php
	local kills=0 lost

	supervise -s "$S" -F 4 --crash-limit 1000/1 -- "$PHP"
	start_front
	start_load
	while is_loading; do
		kill -KILL "$(children | shuf -n 1)" 2>/dev/null && kills=$((kills + 1))
		sleep 0.05
	done
	wait "$LOAD"
	cat "$T/load"
	lost=$(sed -n 's/ 502$//p' "$T/load")
	echo "$kills killed, ${lost:-0} lost"
	[ "$kills" -ge 3 ]
	[ "${lost:-0}" -le "$kills" ]
	[ "$(awk '{ n += $1 } END { print n }' "$T/load")" = "$REQUESTS" ]
	not grep -E 'Connection refused|No such file|Resource temporarily' "$T/nginx-error.log"
}

@test "a storm that kills all at once: nothing is refused" {
	need_php
	local i

	supervise -s "$S" -F 3 --crash-limit 1000/1 -- "$PHP"
	start_front
	start_load
	for i in {1..5}; do
		children | xargs -r kill -KILL || :
		sleep 0.3
	done
	wait "$LOAD"
	not grep -E 'Connection refused|No such file|Resource temporarily' "$T/nginx-error.log"
	[ "$(awk '$2 == 200 { print $1 }' "$T/load")" -ge $((REQUESTS - 15)) ]
}

@test "HUP under load: no request fails (PHP)" {
	need_php
	local old

	supervise -s "$S" -F 3 -- "$PHP"
	start_front
	start_load
	old=$(children)
	for i in 1 2 3; do
		kill -HUP "$KEEPER"
		sleep 0.4
	done
	is_loading
	all_good
	# shellcheck disable=SC2086
	eventually replaced $old
	logged 'reloaded$'
}

@test "HUP under load: no request fails (a program that TERM would kill)" {
	need_census
	need_app
	local old

	supervise -s "$S" -F 3 -- "$APP" naive
	start_front
	start_load
	old=$(children)
	for i in 1 2 3; do
		kill -HUP "$KEEPER"
		sleep 0.4
	done
	is_loading
	all_good
	# shellcheck disable=SC2086
	eventually replaced $old
	eventually has 3
}

@test "HUP under load: no request fails (fcgiwrap)" {
	local old

	need_census
	SOCKET=unix:$S
	supervise -s "$S" -F 2 -- "$FCGIWRAP"
	old=$(children)
	talk_on load 6 get "$CGI/echo"
	sleep 0.3
	for i in 1 2 3; do
		kill -HUP "$KEEPER"
		sleep 0.5
	done
	talked_well load
	# shellcheck disable=SC2086
	eventually replaced $old
}

@test "USR2 under load: no request fails" {
	need_php
	local old

	supervise -s "$S" -F 3 -- "$PHP"
	start_front
	start_load
	old=$(children)
	for i in {1..8}; do
		kill -USR2 "$KEEPER"
		sleep 0.1
	done
	is_loading
	all_good
	[ "$(children)" = "$old" ]
	[ "$(grep -c 'goes on' "$T/keeper.log")" -ge 4 ]
}

# processor_time PID: of a process, in hundredths of a second.
processor_time() {
	awk -v ticks="$(getconf CLK_TCK)" '{
		sub(/.*\) /, "")
		print int(($12 + $13) * 100 / ticks)
	}' "/proc/$1/stat" 2>/dev/null
}

@test "a stop of 300 idle processes costs less than 0.6 s of processor time" {
	local before now last=0

	need_census
	need_no_valgrind
	supervise -s "$S" -F 300 -- /bin/sleep 3600
	before=$(processor_time "$KEEPER")
	kill -TERM "$KEEPER"
	while now=$(processor_time "$KEEPER") && [ -n "$now" ]; do
		last=$now
		sleep 0.01
	done
	await keeper
	[ "$STATUS" = 0 ]
	echo "$((last - before)) hundredths"
	[ "$((last - before))" -lt 60 ]
}

@test "dynamic under load that comes and goes: no request fails" {
	need_census
	need_app
	local i

	supervise -s "$S" --pm dynamic --max-children 6 --max-spare 1 -- "$APP" naive
	start_front
	REQUESTS=500
	for i in 1 2 3; do
		load_front
		[ "$(cat "$T/load")" = "500 200" ]
		sleep 1.2
	done
	[ "$(children | wc -l)" -le 6 ]
	logged 'as it was asked to'
}
