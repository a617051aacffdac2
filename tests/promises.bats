#!/usr/bin/env bats
# What spawn-fcgi --supervise promises, shown with real programs: PHP, Perl, Ruby, Go and fcgiwrap.
#
# With a few hundred requests each; FCGI_REQUESTS=5000 for more ("make promises"). FCGI_FIGURES is
# a file for a line of each test: program, promise, requests, failed, longest wait in milliseconds.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

export PHP_FCGI_MAX_REQUESTS=100000 # else PHP ends by itself now and then
LOAD=$FCGI_BUILD/tests/bench/load
PROGRAMS_OF_TESTS=$(cd "$FCGI_SOURCE/tests/programs" && pwd -P) # PHP wants no ".." in it
GO_PROGRAM=$FCGI_BUILD/tests/programs/app-go
REQUESTS=${FCGI_REQUESTS:-300}
FULL=$((REQUESTS >= 1000))
TAKES=$((FULL ? 4 : 15)) # milliseconds, for a request

# The compiler's own folders are the user's, else.
setup_file() {
	command -v go >/dev/null || return 0
	[ ! "$GO_PROGRAM" -nt "$FCGI_SOURCE/tests/programs/app.go" ] || return 0
	mkdir -p "${GO_PROGRAM%/*}"
	GO111MODULE=off GOFLAGS='' GOPROXY=off GOCACHE=$BATS_FILE_TMPDIR/go-cache \
		go build -o "$GO_PROGRAM" "$FCGI_SOURCE/tests/programs/app.go"
}

# use PROGRAM: $COMMAND starts it, and a request for $TARGET reaches it. What is in $T/start, as a
# shell script, comes before. $CONCURRENT: it serves many at once, which all end with it.
use() {
	ulimit -c 0
	need perl
	CONCURRENT=
	TARGET=/app
	COMMAND=("$PROGRAMS_OF_TESTS/app.$1")
	case $1 in
	php)
		need php-cgi
		php-cgi -m | grep -qx posix || skip 'PHP without posix_kill here'
		COMMAND=(php-cgi)
		TARGET=$PROGRAMS_OF_TESTS/app.php
		;;
	pl) perl -MFCGI -e 1 2>/dev/null || skip 'no FCGI.pm here' ;;
	rb)
		need ruby
		ruby -e 'require "fcgi"' 2>/dev/null || skip 'no FCGI for Ruby here'
		;;
	go)
		[ -x "$GO_PROGRAM" ] || skip 'no go here'
		COMMAND=("$GO_PROGRAM")
		CONCURRENT=yes
		;;
	fcgiwrap)
		need_proc
		COMMAND=("$FCGIWRAP")
		TARGET=$PROGRAMS_OF_TESTS/app.sh
		TAKES=0 # the start of a script takes long enough
		CONCURRENT=yes
		;;
	esac
	PROGRAM=$1
	SOCKET=unix:$S
	program <<-END
		[ ! -e $T/start ] || . $T/start
		exec "\$@"
	END
}

# What depends least on the program is shown with Perl alone, unless all is asked for.
by_one_program() {
	[ "$1" = pl ] || [ "$FULL" = 1 ] || skip 'by make promises'
}

# serve [OPTION...]: the pool. A program that is not seen to wait, as Ruby's, counts soon.
serve() {
	supervise -s "$S" --start-time 0.4 --log "$T/app.log" "$@" -- "$T/prog" "${COMMAND[@]}"
	LOGFILE=$T/app.log
}

# request QUERY: one, by somebody who waits for 20 s.
request() {
	"$LOAD" -n 1 -t 20 "$SOCKET" "$TARGET?$1" >/dev/null
}

# start_load NAME AT-ONCE MS OPTION...: requests of so many milliseconds, from so many clients.
start_load() {
	local name=$1 clients=$2 ms=$3

	shift 3
	start "$name" "$LOAD" -j "$clients" "$@" "$SOCKET" "$TARGET?ms=$ms"
	LOADING=$(pid_of "$name")
}

is_loading() {
	alive "$LOADING"
}

# end_load NAME PROMISE: waits for it; sets $DONE, $FAILED and $LONGEST (ms).
end_load() {
	await "$1" 600
	read -r DONE FAILED LONGEST < <(
		sed -n 's/^requests=\([0-9]*\) errors=\([0-9]*\) .* max=\([0-9]*\) .*/\1 \2 \3/p' \
			"$T/$1.out"
	)
	LONGEST=$(((LONGEST + 999) / 1000))
	figure "$2" "$DONE" "$FAILED" "$LONGEST"
}

figure() {
	echo "$PROGRAM: $1: $2 requests, $3 failed, the longest took $4 ms"
	[ -z "${FCGI_FIGURES-}" ] || ( IFS=$'\t'; echo "$PROGRAM"$'\t'"$*" ) >>"$FCGI_FIGURES"
}

# none_failed AT-LEAST: and there were so many requests.
none_failed() {
	[ "$FAILED" = 0 ] && [ "$DONE" -ge "$1" ]
}

times_logged() {
	grep -cE -e "$1" "$LOGFILE" || :
}

# more_logged COUNT PATTERN: more lines than so many.
more_logged() {
	[ "$(times_logged "$2")" -gt "$1" ]
}

# signal_all_along SIGNAL PATTERN: again when the log says that the last one was heeded; sets
# $HEEDED, how often it was.
signal_all_along() {
	local count

	HEEDED=0
	while is_loading; do
		count=$(times_logged "$2")
		kill "-$1" "$KEEPER"
		more_or_over() { more_logged "$count" "$2" || ! is_loading; }
		eventually -t 60 more_or_over "$count" "$2" || return
		if more_logged "$count" "$2"; then HEEDED=$((HEEDED + 1)); fi
		sleep 0.05
	done
}

# load_and_signal AT-ONCE SIGNAL PATTERN PROMISE: until at least one was heeded meanwhile.
load_and_signal() {
	HEEDED=0
	for _ in {1..8}; do
		[ "$HEEDED" = 0 ] || break
		start_load load "$1" "$TAKES" -n "$REQUESTS" -t 600
		signal_all_along "$2" "$3"
		end_load load "$HEEDED $4"
		none_failed "$REQUESTS" || return
	done
	[ "$HEEDED" -ge 1 ]
}

# Counts the keeper's processes all the time; what a dead one left is none of them.
start_counting() {
	need_proc
	start counter perl -e '
		my ($pid, $most) = ($ARGV[0], 0);
		while (open my $list, "<", "/proc/$pid/task/$pid/children") {
			my @children = grep { is_leader($_) } split " ", <$list> // "";
			$most = @children if @children > $most;
			if ($most > $shown) { $| = 1; print "$most\n"; $shown = $most }
			select undef, undef, undef, 0.003;
		}
		sub is_leader {
			open my $stat, "<", "/proc/$_[0]/stat" or return;
			(<$stat> // "") =~ /.*\) \S+ \d+ \d+ (\d+)/ && $1 == $_[0];
		}' "$KEEPER"
}

most_counted() {
	tail -n 1 "$T/counter.out"
}

milliseconds_since() {
	echo $((($(date +%s%N) - $1) / 1000000))
}

# The promises, each with the name of a program.

# In a pool of so many, for so many seconds.
crashes_beside() {
	local crashed=$((3 * $2))

	serve -F "$1" --stop-timeout 2
	start_load good 1 1 -t "$2"
	start bad bash -c '
		for ((i = 0; i < $1; i++)); do
			[ $((i % 2)) = 0 ] && how=abort || how=exit
			"$2" -n 1 -t 5 "$3" "$4?crash=$how" &
			sleep 0.3
		done
		wait' bash "$crashed" "$LOAD" "$SOCKET" "$TARGET"
	await bad $((2 * $2 + 20))
	# The worker that runs the script outlives fcgiwrap, and ends it.
	[ "$PROGRAM" = fcgiwrap ] || [ "$(grep -c 'errors=1' "$T/bad.out")" = "$crashed" ]
	end_load good "$crashed crashes beside, of $1"
	[ "$LONGEST" -le 1000 ]
	if [ -n "$CONCURRENT" ]; then
		[ "$FAILED" -le "$crashed" ]
	else
		[ "$FAILED" = 0 ]
	fi
	[ "$DONE" -ge $((2 * $2)) ]
	more_logged $((crashed / 2)) 'after [0-9.]+ s$'
	logged_times 0 'crash loop'
	eventually has "$1"
}

crashes() {
	local count

	by_one_program "$1"
	use "$1"
	for count in 5 $([ "$FULL" = 0 ] || echo 20 60); do
		crashes_beside "$count" $((FULL ? 20 : 3))
		stop keeper
		rm -f "$T/app.log"
	done
}

start_serves() {
	by_one_program "$1"
	use "$1"
	echo 'sleep 2' >"$T/start"
	spawn --supervise -s "$S" -P "$T/pid" -F 2 --start-time 4 -- "$T/prog" "${COMMAND[@]}"
	[ "$status" = 0 ]
	start_load first 2 0 -n 2 -t 20
	end_load first 'start'
	none_failed 2
	[ "$LONGEST" -lt 1000 ]
}

start_fails() {
	by_one_program "$1"
	use "$1"
	echo "mkdir $T/one 2>/dev/null || { sleep 0.2; echo no database; exit 7; }" >"$T/start"
	serve -F 3 --start-time 2 || :
	await keeper
	[ "$STATUS" = 7 ]
	grep -q 'the start has failed, since a process ended before it served' "$T/app.log" \
		"$T/keeper.log"
	grep -q 'no database' "$T/app.log" "$T/keeper.log"
	nothing_left "$S" "$T/keeper.pid"
}

reload() {
	local old

	need_census
	use "$1"
	serve -F 3
	start_counting
	old=$(children)
	load_and_signal 2 HUP 'reloaded$' reloads
	[ "$(most_counted)" -le 4 ]
	# shellcheck disable=SC2086
	replaced $old
}

# There is a queue all the time.
reload_saturated() {
	local old limit=$((FULL ? 8 : 2))

	need_census
	use "$1"
	serve -F 2 --stop-timeout "$limit"
	start_counting
	old=$(children)
	start_load load 12 "$TAKES" -t 900 -n $((FULL ? REQUESTS : 0))
	sleep 0.2
	HEEDED=0
	while [ "$HEEDED" = 0 ] || { [ "$FULL" = 1 ] && is_loading; }; do
		kill -HUP "$KEEPER"
		eventually -t "$limit" more_logged "$HEEDED" 'reloaded$'
		HEEDED=$((HEEDED + 1))
	done
	[ "$FULL" = 1 ] || kill -TERM "$LOADING"
	end_load load "$HEEDED reloads, saturated"
	none_failed $((FULL ? REQUESTS : 30))
	[ "$(most_counted)" -le 3 ]
	# shellcheck disable=SC2086
	replaced $old
}

reload_fails() {
	local old how count

	by_one_program "$1"
	need_census
	use "$1"
	serve -F 2
	old=$(children)
	start_load load 2 "$TAKES" -n "$REQUESTS" -t 600
	for how in 'exit 7' 'sleep 0.3; echo no database; exit 7'; do
		echo "$how" >"$T/start"
		count=$(times_logged 'the reload is given up, since')
		kill -HUP "$KEEPER"
		eventually more_logged "$count" 'the reload is given up, since'
		[ "$(children)" = "$old" ]
	done
	logged 'no database'
	end_load load 'reloads that fail'
	none_failed "$REQUESTS"
}

is_connected() {
	[ "$(clients_here)" -gt 0 ]
}

reload_ends() {
	local began took

	by_one_program "$1"
	need_census
	use "$1"
	serve -F 2 --stop-timeout 1.5
	start client "$LOAD" -n 1 -t 30 "$SOCKET" "$TARGET?wait=$T/never"
	eventually is_connected
	began=$(date +%s%N)
	kill -HUP "$KEEPER"
	logged 'reloaded$'
	took=$(milliseconds_since "$began")
	figure 'reload beside a request without end' 1 1 "$took"
	[ "$took" -lt 8000 ]
	request ms=1
}

stop_serves() {
	need_census
	use "$1"
	serve -F 2
	start_load load $((FULL ? 200 : 40)) 30 -n $((FULL ? 200 : 40))
	sleep 0.15
	kill -TERM "$KEEPER"
	end_load load 'stop: running and waiting'
	none_failed $((FULL ? 200 : 40))
	await keeper
	[ "$STATUS" = 0 ]
	nothing_left "$S" "$T/keeper.pid"
}

stop_waits() {
	by_one_program "$1"
	need_census
	use "$1"
	serve --stop-timeout 8
	start client "$LOAD" -n 1 -t 20 "$SOCKET" "$TARGET?ms=900"
	eventually is_connected
	kill -TERM "$KEEPER"
	await client
	[ "$STATUS" = 0 ]
	await keeper
	[ "$STATUS" = 0 ]
	logged_times 0 'did not stop in time'
}

stop_ends() {
	local began took

	by_one_program "$1"
	need_census
	use "$1"
	serve --stop-timeout 1
	start client "$LOAD" -n 1 -t 30 "$SOCKET" "$TARGET?wait=$T/never"
	eventually is_connected
	began=$(date +%s%N)
	kill -TERM "$KEEPER"
	await keeper
	took=$(milliseconds_since "$began")
	[ "$STATUS" = 0 ]
	figure 'stop beside a request without end' 1 1 "$took"
	[ "$took" -lt 8000 ]
}

upgrade() {
	local old

	by_one_program "$1"
	use "$1"
	serve -F 3
	old=$(children)
	load_and_signal 4 USR2 'goes on with the processes' 'times USR2'
	[ "$(children)" = "$old" ]
}

@test "PHP: requests that crash, three in a second: nobody else waits for more than a second" {
	crashes php
}

@test "PHP: the start is told as successful when the program serves" {
	start_serves php
}

@test "PHP: a start fails, with the status and the last lines, if one process does not come up" {
	start_fails php
}

@test "PHP: HUP under load fails no request, and there is one process too many at most" {
	reload php
}

@test "PHP: HUP with a queue all the time fails no request, and is complete in time" {
	reload_saturated php
}

@test "PHP: HUP with a version that fails, at once or later: the old processes stay" {
	reload_fails php
}

@test "PHP: HUP beside a request without end is complete when --stop-timeout is over" {
	reload_ends php
}

@test "PHP: TERM: who is served, and who waits, gets the answer" {
	stop_serves php
}

@test "PHP: TERM: nobody busy is asked to end before the time is nearly over" {
	stop_waits php
}

@test "PHP: TERM beside a request without end: --stop-timeout is not exceeded" {
	stop_ends php
}

@test "PHP: USR2 under load fails no request" {
	upgrade php
}

@test "Perl: requests that crash, three in a second: nobody else waits for more than a second" {
	crashes pl
}

@test "Perl: the start is told as successful when the program serves" {
	start_serves pl
}

@test "Perl: a start fails, with the status and the last lines, if one process does not come up" {
	start_fails pl
}

@test "Perl: HUP under load fails no request, and there is one process too many at most" {
	reload pl
}

@test "Perl: HUP with a queue all the time fails no request, and is complete in time" {
	reload_saturated pl
}

@test "Perl: HUP with a version that fails, at once or later: the old processes stay" {
	reload_fails pl
}

@test "Perl: HUP beside a request without end is complete when --stop-timeout is over" {
	reload_ends pl
}

@test "Perl: TERM: who is served, and who waits, gets the answer" {
	stop_serves pl
}

@test "Perl: TERM: nobody busy is asked to end before the time is nearly over" {
	stop_waits pl
}

@test "Perl: TERM beside a request without end: --stop-timeout is not exceeded" {
	stop_ends pl
}

@test "Perl: USR2 under load fails no request" {
	upgrade pl
}

@test "Ruby: requests that crash, three in a second: nobody else waits for more than a second" {
	crashes rb
}

@test "Ruby: the start is told as successful when the program serves" {
	start_serves rb
}

@test "Ruby: a start fails, with the status and the last lines, if one process does not come up" {
	start_fails rb
}

@test "Ruby: HUP under load fails no request, and there is one process too many at most" {
	reload rb
}

@test "Ruby: HUP with a queue all the time fails no request, and is complete in time" {
	reload_saturated rb
}

@test "Ruby: HUP with a version that fails, at once or later: the old processes stay" {
	reload_fails rb
}

@test "Ruby: HUP beside a request without end is complete when --stop-timeout is over" {
	reload_ends rb
}

@test "Ruby: TERM: who is served, and who waits, gets the answer" {
	stop_serves rb
}

@test "Ruby: TERM: nobody busy is asked to end before the time is nearly over" {
	stop_waits rb
}

@test "Ruby: TERM beside a request without end: --stop-timeout is not exceeded" {
	stop_ends rb
}

@test "Ruby: USR2 under load fails no request" {
	upgrade rb
}

@test "Go: requests that crash, three in a second: nobody else waits for more than a second" {
	crashes go
}

@test "Go: the start is told as successful when the program serves" {
	start_serves go
}

@test "Go: a start fails, with the status and the last lines, if one process does not come up" {
	start_fails go
}

@test "Go: HUP under load fails no request, and there is one process too many at most" {
	reload go
}

@test "Go: HUP with a queue all the time fails no request, and is complete in time" {
	reload_saturated go
}

@test "Go: HUP with a version that fails, at once or later: the old processes stay" {
	reload_fails go
}

@test "Go: HUP beside a request without end is complete when --stop-timeout is over" {
	reload_ends go
}

@test "Go: TERM: who is served, and who waits, gets the answer" {
	stop_serves go
}

@test "Go: TERM: nobody busy is asked to end before the time is nearly over" {
	stop_waits go
}

@test "Go: TERM beside a request without end: --stop-timeout is not exceeded" {
	stop_ends go
}

@test "Go: USR2 under load fails no request" {
	upgrade go
}

@test "fcgiwrap: requests that crash, three in a second: nobody else waits for more than a second" {
	crashes fcgiwrap
}

@test "fcgiwrap: the start is told as successful when the program serves" {
	start_serves fcgiwrap
}

@test "fcgiwrap: a start fails, with the status and the last lines, if one process does not come up" {
	start_fails fcgiwrap
}

@test "fcgiwrap: HUP under load fails no request, and there is one process too many at most" {
	reload fcgiwrap
}

@test "fcgiwrap: HUP with a queue all the time fails no request, and is complete in time" {
	reload_saturated fcgiwrap
}

@test "fcgiwrap: HUP with a version that fails, at once or later: the old processes stay" {
	reload_fails fcgiwrap
}

@test "fcgiwrap: HUP beside a request without end is complete when --stop-timeout is over" {
	reload_ends fcgiwrap
}

@test "fcgiwrap: TERM: who is served, and who waits, gets the answer" {
	stop_serves fcgiwrap
}

@test "fcgiwrap: TERM: nobody busy is asked to end before the time is nearly over" {
	stop_waits fcgiwrap
}

@test "fcgiwrap: TERM beside a request without end: --stop-timeout is not exceeded" {
	stop_ends fcgiwrap
}

@test "fcgiwrap: USR2 under load fails no request" {
	upgrade fcgiwrap
}
