#!/usr/bin/env bats
# spawn-fcgi --supervise --status: the supervisor tells how the pool is, on a socket of its own, in
# the words of php-fpm.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

# watched [OPTION...]: a pool with --status, on $T/status unless they say otherwise.
watched() {
	need_app
	STATUS=unix:$T/status
	supervise -s "$S" --status "$T/status" "$@" -- "$APP"
}

# page [QUERY [NAME=VALUE...]]: the status, header and all, in $output.
page() {
	output=$("$FCGI_TALK" "${PAGE:-unix:$T/status}" timeout 10 get /status \
		QUERY_STRING="${1-}" SCRIPT_FILENAME=status "${@:2}") || { echo "$output"; return 1; }
	echo "$output"
}

# shows "LABEL: VALUE"...: the status has these lines, whatever the blanks.
shows() {
	local line

	page >/dev/null || return
	for line in "$@"; do
		grep -qxE "${line%%:*}: +${line#*: }" <<<"$output" ||
			{ echo "no $line in"; echo "$output"; return 1; }
	done
}

# busy COUNT: so many requests, clients "busy1" and so on, that take until there is $T/go.
busy() {
	local i

	for ((i = 1; i <= $1; i++)); do
		ask_later "busy$i" wait="$T/go"
	done
}

# json EXPRESSION [QUERY]: prints an expression about $s, the status in JSON.
json() {
	page "json&${2-}" >/dev/null || return
	perl -MJSON::PP -e '
		my $text = do { local $/; <STDIN> };
		$text =~ s/.*?\r?\n\r?\n//s;
		my $s = decode_json($text);
		print eval($ARGV[0]), "\n"; die $@ if $@;' "$1" <<<"$output"
}

@test "the status has the values of php-fpm's, and a name" {
	watched -F 2
	page
	grep -q '^Content-Type: text/plain' <<<"$output"
	[[ $output == *$'\n''pool: '* ]]
	shows 'pool: supervise-app.pl' 'process manager: static' 'total processes: 2' \
		'max children reached: 0' 'slow requests: 0' 'starts: 2' 'limit processes: 2'
}

@test "--pool-name is the name" {
	watched --pool-name 'the shop'
	shows 'pool: the shop'
}

@test "of a command the name is that of its first word" {
	need_app
	supervise -s "$S" --status "$T/status" -f "$APP --any/words"
	shows 'pool: supervise-app.pl'
}

@test "while all processes are busy the status comes at once, and says so" {
	need_census
	watched -F 2
	busy 2
	ask_later third
	eventually shows 'active processes: 2' 'idle processes: 0' 'listen queue: 1'
	shows 'max active processes: 2' 'max listen queue: 1' 'total processes: 2' \
		'accepted conn: 2'
	[[ $(json '[sort map { $_->{state} } @{$s->{processes}}]->[0]' full) = Running ]]
	SECONDS=0
	page 'json&full'
	[ "$SECONDS" -le 1 ]
	touch "$T/go"
	answered busy1 && answered busy2 && answered third
	eventually shows 'active processes: 0' 'idle processes: 2' 'listen queue: 0'
	shows 'max active processes: 2' 'max listen queue: 1'
}

@test "where busy and idle cannot be told, processes are ready" {
	[ ! -e "$FCGI_BUILD/spawn/census-linux.o" ] || skip 'built with a look into /proc'
	watched -F 2
	shows 'ready processes: 2' 'idle processes: 0' 'active processes: 0' 'total processes: 2' \
		'accepted conn: 0' 'memory peak: 0' 'listen queue: 0'
}

@test "the status in JSON" {
	watched -F 2
	[ "$(json '$s->{"total processes"}')" = 2 ]
	[ "$(json 'time - $s->{"start time"} < 60 && $s->{"start time"} <= time')" = 1 ]
	[ "$(json 'scalar @{$s->{processes}}' full)" = 2 ]
	diff <(json 'join " ", sort map { $_->{pid} } @{$s->{processes}}' full) \
		<(children | sort | xargs)
}

@test "the status in other formats" {
	watched
	page openmetrics
	[[ $output == *'spawn_fcgi_starts_total{pool="supervise-app.pl"} 1'* ]]
	[[ $output == *'# EOF'* ]]
	page 'openmetrics&phpfpm'
	[[ $output == *phpfpm_total_processes* ]]
	page xml
	[[ $output == *'<total-processes>1<'* ]]
	page html
	[[ $output == *'<html'* && $output == *supervise-app.pl* ]]
}

@test "the page for people has charts of the last minutes" {
	need_census
	watched
	page html
	[[ $output == *'10 min ago'* ]]
}

@test "a strict parser reads the metrics, and no name comes twice in JSON" {
	local python=/usr/bin/python3

	"$python" -c 'import prometheus_client.openmetrics.parser' 2>/dev/null ||
		skip 'no prometheus_client of Python here'
	watched --queue 5
	page openmetrics >"$T/metrics"
	page json >"$T/json"
	"$python" - "$T/metrics" "$T/json" <<-'END'
		import json, sys
		from prometheus_client.openmetrics.parser import text_string_to_metric_families
		def body(file):
		    return open(file, newline="").read().split("\r\n\r\n", 1)[1]
		def once(pairs):
		    assert len(dict(pairs)) == len(pairs), pairs
		    return dict(pairs)
		families = {f.name: f for f in text_string_to_metric_families(body(sys.argv[1]))}
		assert families["spawn_fcgi_starts"].samples[0].value == 1
		assert len(families["spawn_fcgi_deaths"].samples) == 5
		assert families["spawn_fcgi_limit_queue"].samples[0].labels == {"pool": "supervise-app.pl"}
		assert json.loads(body(sys.argv[2]), object_pairs_hook=once)["starts"] == 1
	END
}

@test "a script name that ends in /ping gets a pong" {
	watched
	SOCKET=$STATUS
	[[ $(talk get /ping) == *$'\n'pong ]]
	[[ $(talk get /x SCRIPT_NAME=/some/where/ping) == *$'\n'pong ]]
	[[ $(talk get /x SCRIPT_NAME=/ping/x) == *'total processes'* ]]
	[[ $(talk get /ping REQUEST_METHOD=HEAD) != *pong* ]]
}

@test "a process is as large as the kernel says, and the pool as its processes" {
	need_census
	watched -F 2
	[ "$(json '$s->{"memory peak"} > 1e6 && $s->{"memory peak"} < 1e9')" = 1 ]
	[ "$(json '$s->{"resident memory"} >= $s->{"memory peak"} && $s->{cpu} > 0')" = 1 ]
	[ "$(json '$s->{processes}[0]{"last request memory"} > 1e6' full)" = 1 ]
}

@test "ends are counted by their cause, and starts in their place" {
	watched -F 2
	kill -KILL "$(children | head -n 1)"
	eventually shows 'deaths signal: 1' 'restarts: 1' 'crashes: 1' 'starts: 3'
	ask exit=3
	eventually shows 'deaths failure: 1' 'restarts: 2' 'starts: 4' 'deaths asked: 0'
	kill -HUP "$KEEPER"
	logged 'reloaded$'
	eventually shows 'deaths asked: 2' 'reloads: 1' 'restarts: 2' 'ending processes: 0'
}

@test "what the doorman refuses is counted by its reason" {
	need_census
	watched -F 1 --queue 0
	busy 1
	eventually shows 'active processes: 1'
	ask || :
	[[ $output == *' 503 '* ]]
	shows 'refused queue full: 1' 'limit queue: 0'
	touch "$T/go"
	answered busy1
}

@test "requests above --request-timeout are slow ones" {
	need_census
	watched -F 1 --request-timeout 0.2 --stop-timeout 1
	start slow "$FCGI_TALK" "$SOCKET" timeout 20 get /x QUERY_STRING=ms=20000
	eventually shows 'slow requests: 1' 'starts: 2'
}

@test "a pool that would need more than it may have has reached its limit" {
	need_census
	watched --pm ondemand --max-children 1
	shows 'max children reached: 0' 'process manager: ondemand'
	busy 1
	eventually shows 'max children reached: 1' 'limit processes: 1'
	touch "$T/go"
	answered busy1
}

@test "the socket of the status has the rights of the other one, and goes with it" {
	need_root
	need_user "$USER_A"
	watched -M 0620 -U "$USER_A" -G "$USER_A"
	[ "$(mode_of "$T/status")" = 620 ]
	[ "$(owner_of "$T/status")" = "$(owner_of "$S")" ]
	kill -TERM "$KEEPER"
	await keeper
	[ "$STATUS" = 0 ]
	nothing_left "$S" "$T/status" "$T/keeper.pid"
}

@test "the status on a TCP port" {
	need_app
	PAGE=tcp:127.0.0.1:$(free_port)
	supervise -s "$S" --status "${PAGE#tcp:}" -- "$APP"
	shows 'total processes: 1'
}

@test "a socket that cannot be made fails the start, which leaves nothing" {
	need_app
	: >"$T/status"
	spawn --supervise -n -s "$S" -P "$T/pid" --status "$T/status" -- "$APP"
	[ "$status" = 255 ]
	[[ $stderr == *"cannot bind $T/status: there is a file of that name"* ]]
	nothing_left "$S" "$T/pid"
}

@test "--check looks at that socket, too" {
	need_app
	: >"$T/status"
	spawn --check --supervise -s "$S" --status "$T/status" -- "$APP"
	[ "$status" = 255 ]
	[[ $stderr == *"cannot bind $T/status: there is a file of that name"* ]]
	rm "$T/status"
	spawn --check --supervise -s "$S" --status "$T/status" -- "$APP"
	[ "$status" = 0 ]
}

@test "what is no socket is refused" {
	local word

	for word in '' 127.0.0.1:0 localhost:80 unix: "/$(printf '%0200d' 1)"; do
		spawn --supervise -s "$S" --status "$word" -- /bin/true
		[ "$status" = 255 ]
		[[ $stderr == *"--status: \"$word\" is neither the path of a Unix socket nor ADDRESS:PORT"* ]]
	done
}

@test "the program has neither the socket of the status nor a variable of it" {
	need_proc
	watched
	knows_nothing() {
		[ "$(find "/proc/$(children)/fd" -lname 'socket:*' | wc -l)" = 1 ] &&
			not grep -q SPAWN_FCGI <<<"$(environment_of "$(children)")"
	}
	knows_nothing
	kill -USR2 "$KEEPER"
	logged 'goes on with'
	kill -KILL "$(children)"
	eventually shows 'starts: 2' 'starting processes: 0' 'total processes: 1'
	knows_nothing
}

@test "HUP and USR2 keep socket, counts and start" {
	local file start

	watched -F 1
	file=$(stat -c '%d %i' "$T/status")
	page json >/dev/null
	ask
	kill -HUP "$KEEPER"
	logged 'reloaded$'
	start=$(json '$s->{"start time"}')
	kill -USR2 "$KEEPER"
	logged 'goes on with'
	shows 'reloads: 1' 'starts: 2' 'deaths asked: 1' 'total processes: 1'
	[ "$(json '$s->{"start time"}')" = "$start" ]
	[ "$(stat -c '%d %i' "$T/status")" = "$file" ]
	kill -TERM "$KEEPER"
	await keeper
	nothing_left "$T/status"
}

@test "USR2 fails no request for the status" {
	watched -F 1
	SOCKET=$STATUS
	talk_on asking 2 get /status expect-text 'total processes' expect-end
	for i in 1 2 3; do
		kill -USR2 "$KEEPER"
		said() { logged_times "$i" 'goes on with'; }
		eventually said
	done
	talked_well asking
}

# Connections.

@test "several requests on a connection that is kept, and values" {
	watched
	SOCKET=$STATUS
	talk get /status keep expect-end app=0 protocol=0 get /ping keep expect-text pong \
		post /status "$(printf '%05000d' 0)" keep expect-end get-values FCGI_MAX_CONNS= \
		FCGI_MPXS_CONNS= expect-values FCGI_MAX_CONNS=16 FCGI_MPXS_CONNS=0 \
		record 77 0 x expect-unknown 77 get /status expect-end expect-eof
}

@test "many requests in one piece are all answered" {
	local steps=() i

	watched
	SOCKET=$STATUS
	for i in {1..40}; do
		steps+=(begin id="$i" keep params SCRIPT_NAME=/ping params-end)
	done
	talk hold "${steps[@]}" release read-all >"$T/pongs"
	[ "$(grep -o pong "$T/pongs" | wc -l)" = 40 ]
}

@test "who asks for much at once, and reads late, gets all of it" {
	local steps=() i

	# In metrics the name stands in each line.
	watched --pool-name "$(printf '%02000d' 0)"
	SOCKET=$STATUS
	for i in {1..20}; do
		steps+=(id "$i" get /status QUERY_STRING=openmetrics keep)
	done
	talk hold "${steps[@]}" deaf release wait 200 listen read-all \
		id 21 get /ping expect-text pong expect-end expect-eof >"$T/late"
	[ "$(grep -c '^# EOF' "$T/late")" = 20 ]
	[ "$(wc -c <"$T/late")" -gt 1000000 ]
}

@test "a body is discarded" {
	watched
	SOCKET=$STATUS
	talk request /status CONTENT_LENGTH=3000000 stdin-zero 3000000 stdin-end \
		expect-text 'total processes' expect-end
	talk request /status CONTENT_LENGTH=3000000 keep stdin-zero 3000000 stdin-end \
		expect-end get /ping expect-text pong expect-end
}

@test "too many parameters are refused, and what is no FastCGI ends the connection" {
	local value

	watched
	SOCKET=$STATUS
	value=$(printf '%060000d' 0)
	talk begin params A="$value" params-send params B="$value" params-send may-close \
		expect-text 'Status: 431 ' expect-end expect-eof
	talk raw 'GET / HTTP/1.0\r\n\r\n' expect-closed
	talk get /ping
}

@test "one connection more than are served gets the place of one that rests" {
	watched
	start resting perl -MIO::Socket::UNIX -e '
		push @s, IO::Socket::UNIX->new(Peer => $ARGV[0]) or die for 1 .. 16;
		open my $f, ">", $ARGV[1]; sleep 60' "$T/status" "$T/there"
	eventually test -e "$T/there"
	SECONDS=0
	shows 'total processes: 1'
	[ "$SECONDS" -lt 5 ]
}

@test "a client that stalls holds up nobody" {
	local i

	watched
	SOCKET=$STATUS
	for i in 1 2 3; do
		start "stalls$i" "$FCGI_TALK" "$SOCKET" begin params A=1 params-send wait 20000
		start "deaf$i" "$FCGI_TALK" "$SOCKET" deaf get /status QUERY_STRING=full wait 20000
	done
	SECONDS=0
	for i in 1 2 3 4 5; do
		talk get /ping expect-text pong expect-end
	done
	[ "$SECONDS" -le 2 ]
	talk timeout 20 begin params A=1 params-send expect-closed
	[ "$SECONDS" -ge 9 ]
}

@test "nginx passes the status on" {
	need nginx curl
	watched
	SOCKET=$STATUS
	start_nginx <<-'END'
		location = /status { include fastcgi_params; fastcgi_pass unix:@SOCKET@; }
		location = /ping { include fastcgi_params; fastcgi_pass unix:@SOCKET@; }
	END
	[[ $(curl_ "$URL/status?json") == *'"total processes":1'* ]]
	[ "$(curl_ "$URL/ping")" = pong ]
	[ "$(curl_ -o "$T/null" -w '%{http_code}' -d "@$SPAWN_FCGI" "$URL/status")" = 200 ]
}

@test "cgi-fcgi asks for the status" {
	need cgi-fcgi
	watched
	output=$(env -i SCRIPT_NAME=/status REQUEST_METHOD=GET QUERY_STRING= \
		"$(command -v cgi-fcgi)" -bind -connect "$T/status")
	[[ $output == *'total processes'* ]]
}
