#!/usr/bin/env bats
# spawn-fcgi --supervise --request-timeout: who is busy with one request for too long is ended, and
# nobody else.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

DENY=$FCGI_BUILD/tests/deny
SAID='process [0-9]+ has been busy with one request for more than 1 s \(--request-timeout\); ending it$'

# Whether the system shows that something passes over the connections of a process.
need_traffic() {
	need_census
	perl -e '$p = syscall(434, $$ + 0, 0); exit($p < 0 || syscall(438, $p, 0, 0) < 0)' ||
		skip 'connections cannot be watched here'
}

# hangs QUERY: a request that gets no answer; $MS is how long it took to be cut off.
hangs() {
	local begin=$(($(date +%s%N) / 1000000))

	not talk timeout 20 get "${SCRIPT-/x}" QUERY_STRING="$1" || return
	MS=$(($(date +%s%N) / 1000000 - begin))
	echo "cut off after $MS ms"
}

# in_time: not before a second is over, and soon after that: on a machine that has much else to do,
# long before the client's own time.
in_time() {
	[ "$MS" -ge 1000 ] && [ "$MS" -lt 10000 ]
}

# kept_requests COUNT QUERY: one after the other over one connection.
kept_requests() {
	local i steps=()

	for ((i = 0; i < $1; i++)); do
		steps+=(get "${SCRIPT-/x}" QUERY_STRING="$2" keep)
	done
	talk timeout 60 "${steps[@]}"
}

none_ended() {
	logged_times 0 '--request-timeout'
}

# start_kept_front: nginx that keeps connections to what serves $S.
start_kept_front() {
	NGINX_HTTP="upstream kept { server unix:$S; keepalive 4; }" start_nginx <<-'END'
		location / {
			include fastcgi_params;
			fastcgi_param SCRIPT_FILENAME @T@/x.php;
			fastcgi_keep_conn on;
			fastcgi_pass kept;
		}
	END
}

# PHP heeds the stop signal when the script is over; a sleep is cut short by it.
need_stubborn_php() {
	need_php
	cat >>"$T/x.php" <<-'END'
		while (isset($_GET["hang"])) usleep(1000);
	END
}

# front_hangs QUERY: as hangs, by nginx: PHP's END_REQUEST is too short for talk.
front_hangs() {
	local begin=$(($(date +%s%N) / 1000000))

	[ "$(curl_ -o /dev/null -w '%{http_code}' "$URL/?$1")" = 502 ] || return
	MS=$(($(date +%s%N) / 1000000 - begin))
	echo "cut off after $MS ms"
}

# How many connections of the socket are open in all processes below the keeper.
connections() {
	ss -xH state established 2>/dev/null | grep -cF " $S "
}

is_kept() {
	[ "$(connections)" -ge 1 ]
}

# an_idle_connection_is_kept: for longer than a request may take, and is used again.
an_idle_connection_is_kept() {
	local first

	need ss
	start_kept_front
	curl_ -f "$URL/" >/dev/null
	curl_ -f "$URL/" >"$T/first"
	is_kept
	sleep 2.5
	is_kept
	curl_ -f "$URL/" >"$T/second"
	cmp "$T/first" "$T/second"
	none_ended
	stop nginx # the connection counts as work
}

@test "a process that hangs, in whatever way, is ended in time, and the next request is served" {
	local query before

	need_traffic
	need_app
	supervise -s "$S" --request-timeout 1 -- "$APP" naive
	for query in wait="$T/never" ms=60000 spin=1; do
		before=$(children)
		hangs "$query"
		in_time
		ask
		[ "$ANSWERED_BY" != "$before" ]
	done
	logged_times 3 "$SAID"
}

@test "the same over TCP" {
	local port query

	need_traffic
	need_app
	port=$(free_port)
	SOCKET=tcp:127.0.0.1:$port
	supervise -a 127.0.0.1 -p "$port" --request-timeout 1 -- "$APP" naive
	for query in wait="$T/never" ms=60000 spin=1; do
		hangs "$query"
		in_time
		ask
	done
	logged_times 3 "$SAID"
}

@test "the same with netlink refused" {
	need_traffic
	need_app
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	"$DENY" --can socket-netlink=EAFNOSUPPORT 2>/dev/null || skip 'this system cannot refuse it'
	TEST_WRAPPER="$DENY socket-netlink=EAFNOSUPPORT --"
	supervise -s "$S" --request-timeout 1 -- "$APP" naive
	hangs wait="$T/never"
	in_time
	ask
}

@test "a request that hangs on a connection that has been kept for long is ended as soon" {
	need_traffic
	need_app
	supervise -s "$S" --request-timeout 1 -- "$APP" naive
	not talk timeout 20 get /x keep wait 1500 get /x keep get /x QUERY_STRING=spin=1 keep
	logged "$SAID"
	ask
}

@test "by default no request is too long" {
	need_app
	supervise -s "$S" -- "$APP"
	ask ms=2500
	none_ended
}

@test "a request that is just shorter is not ended" {
	need_census
	need_app
	supervise -s "$S" --request-timeout 2 -- "$APP" naive
	ask ms=1700
	ask ms=1700
	none_ended
}

@test "200 short requests in a row over one kept connection end nobody" {
	need_traffic
	need_app
	supervise -s "$S" --request-timeout 1 -- "$APP" naive
	kept_requests 200 ms=12
	kept_requests 4 ms=700
	none_ended
}

@test "200 short requests over one kept connection of TCP end nobody" {
	local port

	need_traffic
	need_app
	port=$(free_port)
	SOCKET=tcp:127.0.0.1:$port
	supervise -a 127.0.0.1 -p "$port" --request-timeout 1 -- "$APP" naive
	kept_requests 200 ms=12
	kept_requests 4 ms=700
	none_ended
}

@test "200 short requests over one kept connection end nobody (PHP)" {
	need_traffic
	need_php
	supervise -s "$S" --request-timeout 1 -- "$PHP"
	start_kept_front
	curl_ -f "$URL/?ms=12&n=[1-200]" >"$T/answers"
	[ "$(uniq "$T/answers" | grep -c pid)" = 1 ] # one process, and so one connection
	curl_ -f "$URL/?ms=700&n=[1-4]" >/dev/null
	none_ended
	stop nginx
}

@test "a connection that is kept and idle ends nobody (Perl)" {
	need_census
	need_app
	supervise -s "$S" --request-timeout 1 -- "$APP" naive
	an_idle_connection_is_kept
}

@test "a connection that is kept and idle ends nobody (PHP)" {
	need_census
	need_php
	supervise -s "$S" --request-timeout 1 -- "$PHP"
	an_idle_connection_is_kept
}

@test "a connection that is kept and idle ends nobody (PHP_FCGI_CHILDREN)" {
	need_census
	need_php
	supervise -s "$S" -C 1 --request-timeout 1 -- "$PHP"
	an_idle_connection_is_kept
}

@test "a client that takes its time to send the body is waited for" {
	need_census
	need_app
	supervise -s "$S" --request-timeout 1 -- "$APP" naive
	talk timeout 20 request /x QUERY_STRING=body=1 REQUEST_METHOD=POST CONTENT_LENGTH=4 \
		stdin ab wait 2500 stdin cd stdin-end expect-text pid expect-end
	none_ended
}

@test "a client that takes its time to read the answer is waited for" {
	need_census
	need_app
	supervise -s "$S" --request-timeout 1 -- "$APP" naive
	talk timeout 20 request /x QUERY_STRING=big=4 stdin-end read-some 100 wait 2500 listen read \
		expect-end >/dev/null
	none_ended
}

@test "nor is one ended that looks after its client only now and then" {
	need_traffic
	cat >"$T/writer.pl" <<-'END'
		use IO::Handle;
		$SIG{PIPE} = "IGNORE";
		open my $listener, "<&=", 0;
		while (accept my $client, $listener) {
			sysread $client, my $request, 100;
			$client->blocking(0);
			for (my $left = 4 << 20; $left > 0;) {
				my $n = syswrite $client, "x" x ($left > 65536 ? 65536 : $left);
				$left -= $n // 0;
				select undef, undef, undef, 0.01 if !$n;
			}
		}
	END
	supervise -s "$S" --request-timeout 1 -- "$(command -v perl)" "$T/writer.pl"
	perl -MIO::Socket::UNIX -e '
		my $c = IO::Socket::UNIX->new(Peer => shift) or die "$!\n";
		syswrite $c, "go\n";
		sleep 3;
		my ($all, $some) = "";
		$all .= $some while sysread $c, $some, 65536;
		print length $all, "\n"' "$S" >"$T/size"
	[ "$(cat "$T/size")" = 4194304 ]
	none_ended
}

@test "what a request has left behind is not ended, though it has the connection" {
	local left

	need_census
	need_app
	supervise -s "$S" --request-timeout 1 -- "$APP" naive
	ask leave=78.125
	left=$(pgrep -f '^sleep 78.125$' -s "$ANSWERED_BY")
	find "/proc/$left/fd" -lname 'socket:*' | grep -q .
	sleep 2.5
	alive "$left"
	none_ended
	kill "$left"
}

@test "a process that somebody has stopped is not ended" {
	local stopped

	need_census
	need_app
	supervise -s "$S" --request-timeout 1 -- "$APP" naive
	stopped=$(children)
	ask_later client wait="$T/go"
	sleep 0.3
	kill -STOP "$stopped"
	sleep 2
	touch "$T/go"
	none_ended
	kill -CONT "$stopped"
	answered client
}

@test "as root, a program of another user" {
	need_traffic
	need_users
	need_app
	supervise -s "$S" -M 0666 -u "$USER_A" --request-timeout 1 -- "$APP" naive
	kept_requests 100 ms=20
	none_ended
	hangs wait="$T/never"
	in_time
	ask
	logged_times 0 'cannot see'
}

@test "as root without all capabilities: who sleeps is ended, and nobody else" {
	need_census
	need_users
	need_app
	need setpriv
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	TEST_WRAPPER='setpriv --bounding-set=-sys_ptrace'
	supervise -s "$S" -M 0666 -u "$USER_A" --request-timeout 1 -- "$APP" naive
	kept_requests 100 ms=20
	logged_times 0 'busy with one request'
	hangs ms=60000
	in_time
	logged_times 1 'cannot see whether process [0-9]+ and its client exchange anything: '
}

@test "other processes are not touched" {
	local i other

	need_traffic
	need_app
	supervise -s "$S" -F 2 --request-timeout 1 -- "$APP" naive
	ask_later stuck wait="$T/never"
	for i in {1..9}; do
		ask ms=300
		[ "$i" -gt 2 ] || [ "${other:=$ANSWERED_BY}" = "$ANSWERED_BY" ]
	done
	logged_times 1 "$SAID"
	has 2
	not replaced "$other"
	await stuck
	[ "$STATUS" != 0 ]
}

@test "who ignores the stop signal is killed, and has been replaced at once" {
	local before

	need_traffic
	need_app
	supervise -s "$S" --request-timeout 1 --stop-timeout 4 -- "$APP" deaf
	before=$(children)
	ask_later stuck wait="$T/never"
	logged "$SAID"
	talk timeout 1 get /x >/dev/null
	eventually replaced "$before"
	logged "process $before did not stop in time; killing it"
	logged "process $before was killed by signal 9 \(Killed\) after .*, as it was asked to"
}

@test "it is no crash" {
	local i

	need_traffic
	need_app
	supervise -s "$S" --request-timeout 0.3 --crash-limit 1/60 --give-up -- "$APP" naive
	for i in 1 2 3 4; do
		hangs wait="$T/never"
		talk timeout 1 get /x >/dev/null
	done
	logged_times 0 'crash loop|giving up'
	logged_times 4 'killed by signal 15 .*, as it was asked to$'
}

@test "PHP is ended as a whole, if it is one process" {
	local before

	need_traffic
	need_stubborn_php
	supervise -s "$S" --request-timeout 1 -- "$PHP"
	start_kept_front
	before=$(children)
	front_hangs hang=1
	in_time
	logged "process $before has been busy with one request"
	eventually replaced "$before"
	curl_ -f "$URL/" >/dev/null
	stop nginx
}

# one_is_new PID CHILDREN: one of its processes is another one now.
one_is_new() {
	has_children "$1" 3 && [ "$(comm -12 <(echo "$2") <(children_of "$1" | sort) | wc -l)" = 2 ]
}

# only_the_one_that_hangs COMMAND...: of three processes below the only child, by this command.
only_the_one_that_hangs() {
	local leader before

	leader=$(children)
	eventually has_children "$leader" 3
	before=$(children_of "$leader" | sort)
	"$@"
	in_time
	eventually one_is_new "$leader" "$before"
	[ "$(children)" = "$leader" ]
	logged "$SAID"
	not grep -qE "process $leader (has been|did not)" "$T/keeper.log"
}

@test "of PHP_FCGI_CHILDREN only the one that hangs is ended" {
	need_traffic
	need_stubborn_php
	supervise -s "$S" -C 3 --request-timeout 1 -- "$PHP"
	start_kept_front
	only_the_one_that_hangs front_hangs hang=1
	curl_ -f "$URL/" >/dev/null
	stop nginx
}

@test "of the processes of a program only the one that hangs is ended, or killed" {
	need_traffic
	need_app
	cat >"$T/fork.pl" <<-'END'
		my %mine;
		my $app = shift;
		while (1) {
			while (keys %mine < 3) {
				my $pid = fork;
				exec $app, "deaf" if !$pid;
				$mine{$pid} = 1;
			}
			delete $mine{ +wait };
		}
	END
	supervise -s "$S" --request-timeout 1 --stop-timeout 4 -- "$(command -v perl)" \
		"$T/fork.pl" "$APP"
	only_the_one_that_hangs hangs wait="$T/never"
	ask
	logged_times 1 'did not stop in time; killing it'
}

@test "what a request has started is ended with it" {
	local leader

	need_traffic
	need_php
	cat >"$T/y.php" <<-'END'
		<?php exec("sleep 77.125 </dev/null");
	END
	supervise -s "$S" -C 1 --request-timeout 1 --stop-timeout 10 -- "$PHP"
	leader=$(children)
	start stuck "$FCGI_TALK" "$SOCKET" get "$T/y.php"
	is_left() { pgrep -f '^sleep 77.125$' -s "$leader"; }
	eventually is_left
	logged "$SAID"
	eventually not is_left
	logged_times 1 "$SAID"
}

@test "what a request has started, with all that its process has, is told of once" {
	need_traffic
	need_php
	cat >"$T/y.php" <<-'END'
		<?php exec("sleep 77.125");
	END
	supervise -s "$S" -C 1 --request-timeout 1 --stop-timeout 10 -- "$PHP"
	start stuck "$FCGI_TALK" "$SOCKET" get "$T/y.php"
	logged "$SAID"
	logged_times 1 "$SAID"
}

@test "Ruby" {
	need_traffic
	need ruby
	ruby -e 'require "fcgi"' 2>/dev/null || skip 'no fcgi for ruby here'
	SOCKET=unix:$S
	cat >"$T/app.rb" <<-'END'
		require "fcgi"
		FCGI.each do |r|
			sleep $1.to_f / 1000 if r.env["QUERY_STRING"] =~ /ms=(\d+)/
			r.out.print "Content-Type: text/plain\r\n\r\npid #{$$} ruby\n"
			r.finish
		end
	END
	supervise -s "$S" --request-timeout 1 -- "$(command -v ruby)" "$T/app.rb"
	ask ms=600
	hangs ms=60000
	in_time
	ask ms=600
	logged_times 1 "$SAID"
}

@test "a program that listens to its client while it works, as fcgiwrap does, is not ended" {
	need_census
	SOCKET=unix:$S
	printf '#!/bin/sh\nsleep 2.5\necho Content-Type: text/plain\necho\necho pid\n' >"$T/slow.cgi"
	chmod 755 "$T/slow.cgi" "$T"
	supervise -s "$S" --request-timeout 1 -- "$FCGIWRAP"
	talk timeout 20 get "$T/slow.cgi" expect-text pid >/dev/null
	none_ended
}

@test "HUP meanwhile: the old one that hangs is ended by then" {
	local before

	need_traffic
	need_app
	supervise -s "$S" --request-timeout 2 --stop-timeout 300 -- "$APP" naive
	before=$(children)
	ask_later stuck wait="$T/never"
	sleep 0.5
	kill -HUP "$KEEPER"
	logged 'spawn-fcgi: reloaded$|: reloaded$'
	replaced "$before"
	logged "process $before has been busy with one request for more than 2 s"
	ask
}

@test "TERM meanwhile: the one that hangs is ended by then, and all is over" {
	need_traffic
	need_app
	supervise -s "$S" --request-timeout 2 --stop-timeout 300 -- "$APP" naive
	ask_later stuck wait="$T/never"
	sleep 0.5
	kill -TERM "$KEEPER"
	await keeper
	[ "$STATUS" = 0 ]
	logged 'busy with one request for more than 2 s'
	nothing_left "$S" "$T/keeper.pid"
}

@test "USR2 meanwhile: the time begins anew" {
	need_traffic
	need_app
	supervise -s "$S" --request-timeout 2 -- "$APP" naive
	ask_later stuck wait="$T/never"
	sleep 0.5
	kill -USR2 "$KEEPER"
	logged 'goes on with the processes'
	logged 'busy with one request for more than 2 s'
	ask
}

# refuse_traffic: programs under test cannot see what passes over connections.
refuse_traffic() {
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	"$DENY" --can pidfd_open=EPERM 2>/dev/null || skip 'this system cannot refuse it'
	TEST_WRAPPER="$DENY pidfd_open=EPERM --"
}

@test "where connections cannot be watched, which is told: who sleeps or computes is ended" {
	local query

	need_census
	need_app
	refuse_traffic
	supervise -s "$S" --request-timeout 1 -- "$APP" naive
	for query in ms=60000 spin=1; do
		hangs "$query"
		in_time
		ask
	done
	logged_times 1 'cannot see whether process [0-9]+ and its client exchange anything: '
}

@test "where connections cannot be watched: nobody else is" {
	need_census
	need_app
	refuse_traffic
	supervise -s "$S" --request-timeout 1 -- "$APP" naive
	kept_requests 200 ms=12
	ask_later slow wait="$T/go"
	sleep 2.5
	touch "$T/go"
	answered slow
	logged_times 0 'busy with one request'
}

@test "where busy and idle cannot be told, it is said once at the start that it is not watched" {
	[ ! -e "$FCGI_BUILD/spawn/census-linux.o" ] || skip 'they can be told here'
	need_app
	supervise -s "$S" --request-timeout 1 -- "$APP"
	logged_times 1 '--request-timeout is not watched on this system'
	ask ms=1500
}

@test "--request-timeout needs --supervise" {
	spawn --request-timeout 1 -s "$S" -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *'--request-timeout needs --supervise'* ]]
}
