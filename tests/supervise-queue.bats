#!/usr/bin/env bats
# spawn-fcgi --supervise: who waits behind too many (--queue), or for too long (--queue-timeout), is
# answered 503 in the program's place, and nobody else is.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

need_queue() {
	need_census
	need_app
}

all_answered() {
	local name

	for name in "$@"; do
		answered "$name" || return
	done
}

# over KIND: says how to listen, on a Unix or TCP socket, in $WHERE, and $SOCKET.
over() {
	if [ "$1" = unix ]; then
		WHERE="-s $S"
		SOCKET=unix:$S
	else
		PORT=$(free_port)
		WHERE="-a 127.0.0.1 -p $PORT"
		SOCKET=tcp:127.0.0.1:$PORT
	fi
}

# How many connections nobody has accepted, and how many somebody has, as the kernel's tables say.
queue_length() {
	if [[ $SOCKET = unix:* ]]; then
		awk -v path="${SOCKET#unix:}" '($8 == path || $8 == path ".new") && $6 == "02"' /proc/net/unix
	else
		awk -v port="$(printf ':%04X' "$PORT")" \
			'index($2, port) && $4 == "01" && $10 == 0' /proc/net/tcp
	fi | wc -l
}

accepted() {
	if [[ $SOCKET = unix:* ]]; then
		awk -v path="${SOCKET#unix:}" '($8 == path || $8 == path ".new") && $6 == "03"' /proc/net/unix
	else
		awk -v port="$(printf ':%04X' "$PORT")" \
			'index($2, port) && $4 == "01" && $10 != 0' /proc/net/tcp
	fi | wc -l
}

queue_is() {
	[ "$(queue_length)" = "$1" ]
}

accepted_are() {
	[ "$(accepted)" = "$1" ]
}

# As client "busy", a request that takes until there is $T/go: the only process serves it.
saturate() {
	ask_later busy wait="$T/go"
	eventually accepted_are 1
}

# come NAME...: requests that wait in the queue, one behind the other.
come() {
	local name before

	for name in "$@"; do
		before=$(queue_length)
		ask_later "$name" n="$name"
		eventually queue_is $((before + 1))
	done
}

# refused NAME...: each gets 503, by the rules of HTTP, and a reason.
refused() {
	local name

	for name in "$@"; do
		await "$name" 20 || return
		cat "$T/$name.out"
		[ "$STATUS" = 0 ] && grep -q '^Status: 503 ' "$T/$name.out" &&
			grep -q '^Retry-After: [1-9]' "$T/$name.out" || return
	done
}

refuses_nobody() {
	not grep -q 'refused with 503' "$T/keeper.log"
}

too_many_wait() {
	need_queue
	over "$1"
	# shellcheck disable=SC2086
	supervise $WHERE -F 1 --queue 2 -- "$APP"
	saturate
	come first second
	sleep 0.2
	queue_is 2
	refuses_nobody
	ask_later third n=third
	refused first
	queue_is 2
	touch "$T/go"
	all_answered busy second third
	logged 'refused with 503: 1 request, since more than 2 wait \(--queue\)'
}

@test "the oldest is refused when more wait than may, and all others are served" {
	too_many_wait unix
}

@test "the oldest is refused when more wait than may, and all others are served (TCP)" {
	too_many_wait tcp
}

# timed SECONDS...: as process "timed", a client for each, that connects so long after the process
# has begun. For each that is answered there is a line in $T/timed.out: its number, the status, how
# many milliseconds it took. With $SILENT they ask nothing; then the status is 0.
timed() {
	start timed perl -MIO::Socket::INET -MIO::Socket::UNIX -MIO::Select -MTime::HiRes=time,sleep -e '
		my ($address, @starts) = @ARGV;
		my ($begin, $open, %number, %since) = (time, IO::Select->new);
		my $ask = pack("CCnnCxnCx5", 1, 1, 1, 8, 0, 1, 0) . pack("CCnnCx", 1, 4, 1, 0, 0) .
			pack("CCnnCx", 1, 5, 1, 0, 0);
		$| = 1;
		for (my $i = 0; $i < @starts || $open->count;) {
			while ($i < @starts && time >= $begin + $starts[$i]) {
				my $s = $address =~ /^unix:(.*)/ ? IO::Socket::UNIX->new(Peer => $1)
					: IO::Socket::INET->new(substr $address, 4);
				$since{$s} = time;
				$number{$s} = ++$i;
				syswrite $s, $ask unless $ENV{SILENT};
				$open->add($s);
			}
			for my $s ($open->can_read(0.01)) {
				sysread $s, my $answer, 65536;
				printf "%d %s %d\n", $number{$s}, $answer =~ /Status: (\d+)/ ? $1
					: $answer =~ /pid / ? 200 : 0, (time - $since{$s}) * 1000;
				$open->remove($s);
			}
		}' "$SOCKET" "$@"
}

# took NUMBER STATUS LEAST MOST: that one has this status, after so many milliseconds.
took() {
	cat "$T/timed.out"
	awk -v n="$1" -v status="$2" -v least="$3" -v most="$4" '
		$1 == n { good = $2 == status && $3 >= least && $3 <= most } END { exit !good }
	' "$T/timed.out"
}

timed_lines() {
	[ "$(wc -l <"$T/timed.out")" = "$1" ]
}

waits_too_long() {
	need_queue
	over "$1"
	# shellcheck disable=SC2086
	supervise $WHERE -F 1 --queue-timeout 4 -- "$APP"
	saturate
	timed 0 0 2
	eventually -t 20 timed_lines 2
	touch "$T/go"
	await timed
	took 1 503 2900 4200
	took 2 503 2900 4200
	took 3 200 1000 4000
	answered busy
	logged 'refused with 503: [12] requests?, since they have waited for 4 s \(--queue-timeout\)'
}

@test "who has waited too long is refused in time, and who came later is served" {
	waits_too_long unix
}

@test "who has waited too long is refused in time, and who came later is served (TCP)" {
	waits_too_long tcp
}

@test "USR2 does not let their time begin anew" {
	need_queue
	supervise -s "$S" -F 1 --queue-timeout 6 -- "$APP"
	saturate
	timed 0 0
	eventually queue_is 2
	sleep 2
	kill -USR2 "$KEEPER"
	logged 'goes on with the processes'
	await timed
	took 1 503 4400 6200
	took 2 503 4400 6200
	touch "$T/go"
	answered busy
}

@test "without netlink a queue of TCP is seen, too" {
	need_queue
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	"$FCGI_BUILD/tests/deny" --can socket-netlink=EAFNOSUPPORT 2>/dev/null || skip 'cannot refuse it'
	TEST_WRAPPER="$FCGI_BUILD/tests/deny socket-netlink=EAFNOSUPPORT --"
	over tcp
	# shellcheck disable=SC2086
	supervise $WHERE -F 1 --queue 2 --queue-timeout 4 -- "$APP"
	saturate
	timed 0 0 0
	await timed 20
	took 1 503 0 2000
	took 2 503 2900 4200
	took 3 503 2900 4200
	logged 'more than 2 wait'
	logged 'they have waited for 4 s'
	touch "$T/go"
	answered busy
}

@test "without netlink that of a Unix socket is not, which is told" {
	need_queue
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	"$FCGI_BUILD/tests/deny" --can socket-netlink=EAFNOSUPPORT 2>/dev/null || skip 'cannot refuse it'
	TEST_WRAPPER="$FCGI_BUILD/tests/deny socket-netlink=EAFNOSUPPORT --"
	supervise -s "$S" -F 1 --queue 0 --queue-timeout 1 -- "$APP"
	saturate
	come first second
	sleep 1.5
	queue_is 2
	touch "$T/go"
	all_answered busy first second
	logged_times 1 '--queue, --queue-timeout: not watched'
}

@test "where nobody is seen to wait, that is told" {
	[ ! -e "$FCGI_BUILD/spawn/census-linux.o" ] || skip 'built with a look into /proc'
	need_app
	supervise -s "$S" -F 1 --queue 0 --queue-timeout 1 -- "$APP"
	ask
	logged_times 1 '--queue is not watched on this system'
	logged_times 1 '--queue-timeout is not watched on this system'
}

@test "nobody is refused while the pool keeps up" {
	local kind

	need_queue
	for kind in unix tcp; do
		over "$kind"
		# shellcheck disable=SC2086
		supervise $WHERE -F 2 --queue 8 --queue-timeout 5 -- "$APP"
		run "$FCGI_TALK" -n 3000 -j 8 "$SOCKET" get /x expect-text 'pid '
		echo "$output"
		[[ $output = *'ok=3000 failed=0'* ]]
		refuses_nobody
		stop keeper
	done
}

@test "nobody need wait while one is idle, or may still be started" {
	need_queue
	supervise -s "$S" --pm ondemand --max-children 4 --queue 0 -- "$APP"
	for i in 1 2 3 4; do
		ask_later "client$i" wait="$T/go"
	done
	eventually has 4
	eventually queue_is 0
	sleep 0.3
	ask_later more n=more
	refused more
	touch "$T/go"
	all_answered client1 client2 client3 client4
}

@test "each of many that come at once gets an answer, of the program or 503" {
	local kind good

	need_queue
	for kind in unix tcp; do
		over "$kind"
		# shellcheck disable=SC2086
		supervise $WHERE -F 2 --queue 3 -- "$APP"
		run "$FCGI_TALK" -n 3000 -j 60 "$SOCKET" get /x QUERY_STRING=ms=1 expect-end
		echo "$output"
		[[ $output = *'ok=3000 failed=0'* ]]
		logged 'refused with 503'
		run "$FCGI_TALK" -n 200 -j 2 "$SOCKET" get /x expect-text 'pid '
		echo "$output"
		[[ $output = *'ok=200 failed=0'* ]]
		stop keeper
	done
}

@test "HUP and USR2 lose nobody meanwhile" {
	need_queue
	supervise -s "$S" -F 2 --queue 3 --queue-timeout 1 -- "$APP"
	talk_on load 40 get /x QUERY_STRING=ms=1 expect-end
	logged 'refused with 503'
	kill -HUP "$KEEPER"
	logged 'reloaded'
	kill -USR2 "$KEEPER"
	logged 'goes on with the processes'
	talked_well load
}

@test "a reload with a new socket loses nobody, and who waits there is counted" {
	need_queue
	supervise -s "$S" -F 2 --queue 5 --stop-timeout 8 -- "$APP" naive
	start talk sh -c 'until [ -e "$1/enough" ]; do
			"$2" -n 300 -j 12 "$3" get /x QUERY_STRING=ms=20 expect-end || exit
		done' sh "$T" "$FCGI_TALK" "$SOCKET"
	logged 'refused with 503'
	starve
	complete() { sed -n '/new socket/,$p' "$T/keeper.log" | grep 'reloaded$'; }
	eventually complete
	touch "$T/enough"
	await talk 20
	[ "$STATUS" = 0 ]
	grep 'failed=0' "$T/talk.out"
	ask_later busy wait="$T/go"
	eventually accepted_are 1
	ask_later too wait="$T/go"
	eventually accepted_are 2
	come first second third fourth fifth
	ask_later sixth n=6
	refused first
	queue_is 5
	touch "$T/go"
	all_answered busy too second third fourth fifth sixth
}

@test "who waits at the old socket after that is refused in time, too" {
	need ss
	need_queue
	supervise -s "$S" -F 2 --queue-timeout 4 --start-time 0.1 --stop-timeout 16 -- "$APP"
	hang_and_divert wait="$T/go"
	eventually -t 20 ended_are 3
	logged 'refused with 503: [0-9]+ requests, since they have waited for 4 s'
	touch "$T/go"
	are_served_and_refused 3 3
	logged 'reloaded$'
	ask
}

@test "a stop refuses whom no process serves any more, at the old socket as well" {
	need ss
	need_queue
	supervise -s "$S" -F 2 --queue 50 --start-time 0.1 --stop-timeout 16 -- "$APP"
	hang_and_divert wait="$T/go"
	ask_later new n=1
	eventually waits_at_new_socket
	kill -TERM "$KEEPER"
	answered new
	eventually -t 20 ended_are 3
	logged 'refused with 503: [0-9]+ requests, since no process is left to serve them'
	touch "$T/go"
	are_served_and_refused 3 3
	await keeper
	[ "$STATUS" = 0 ]
}

waits_at_new_socket() {
	S=$S.new waits 1
}

# ended_are COUNT: so many of old1 to old6.
ended_are() {
	local i ended=0

	for i in 1 2 3 4 5 6; do
		! gone "$(pid_of "old$i")" || ended=$((ended + 1))
	done
	[ "$ended" = "$1" ]
}

# are_served_and_refused SERVED REFUSED: so many of them, in the end.
are_served_and_refused() {
	local i

	for i in 1 2 3 4 5 6; do
		await "old$i" 20 && [ "$STATUS" = 0 ] || return
	done
	[ "$(cat "$T"/old?.out | grep -c '^pid ')" = "$1" ]
	[ "$(cat "$T"/old?.out | grep -c '^Status: 503 ')" = "$2" ]
}

@test "USR2 waits a moment for a client that is about to be refused" {
	need_queue
	supervise -s "$S" -F 1 --queue 0 -- "$APP"
	saturate
	start slow "$FCGI_TALK" "$SOCKET" await "$T/ask" get /x
	eventually accepted_are 2
	kill -USR2 "$KEEPER"
	sleep 0.6 # it is not executed yet
	touch "$T/ask"
	refused slow
	logged 'goes on with the processes'
	touch "$T/go"
	answered busy
}

@test "through nginx: 503 and Retry-After arrive, and a large body is no harm" {
	need_queue
	supervise -s "$S" -F 1 --queue 0 -- "$APP"
	start_nginx <<-'END'
		location / {
			include fastcgi_params;
			fastcgi_pass unix:@T@/s;
		}
		location /unbuffered {
			include fastcgi_params;
			fastcgi_request_buffering off;
			fastcgi_pass unix:@T@/s;
		}
	END
	saturate
	head -c 20000000 /dev/zero >"$T/body"
	curl_ -i "$URL/x" >"$T/answer"
	cat "$T/answer"
	grep -q '^HTTP/1.1 503' "$T/answer"
	grep -q '^Retry-After: [1-9]' "$T/answer"
	for path in x unbuffered; do
		[ "$(curl_ -o /dev/null -w '%{http_code}' -T "$T/body" "$URL/$path")" = 503 ]
	done
	touch "$T/go"
	answered busy
	[ "$(curl_ -o /dev/null -w '%{http_code}' "$URL/x")" = 200 ]
}

@test "a client that sends a large body gets its answer" {
	local kind

	need_queue
	for kind in unix tcp; do
		over "$kind"
		rm -f "$T/go"
		# shellcheck disable=SC2086
		supervise $WHERE -F 1 --queue 0 -- "$APP"
		saturate
		talk begin params-end stdin-zero 30000000 stdin-end \
			expect-text 'Status: 503' expect-end protocol=0 expect-eof
		touch "$T/go"
		answered busy
		stop keeper
	done
}

@test "a client that says nothing is given up, and holds up nobody" {
	need_queue
	supervise -s "$S" -F 1 --queue 0 -- "$APP"
	saturate
	start silent "$FCGI_TALK" "$SOCKET" expect-closed
	come_and_be_refused
	alive "$(pid_of silent)"
	await silent
	[ "$STATUS" = 0 ]
	touch "$T/go"
	answered busy
}

come_and_be_refused() {
	ask_later other n=other
	refused other
}

@test "only so many are talked to at a time" {
	need_queue
	supervise -s "$S" -F 1 --queue 0 -- "$APP"
	saturate
	# shellcheck disable=SC2046
	SILENT=1 timed $(printf '0 %.0s' {1..160})
	await timed 20
	cat "$T/timed.out"
	[ "$(awk '$2 == 0 && $3 < 3500' "$T/timed.out" | wc -l)" = 128 ]
	[ "$(awk '$2 == 0 && $3 >= 3500' "$T/timed.out" | wc -l)" = 32 ]
	come_and_be_refused
	touch "$T/go"
	answered busy
}

@test "what it says by the rules of FastCGI" {
	need_queue
	supervise -s "$S" -F 1 --queue 0 -- "$APP"
	saturate
	# In pieces of one byte, with padding; the connection is closed, whatever the client wishes.
	talk slice 1 pad 7 get /x keep expect-text 'Status: 503' expect-end app=0 protocol=0 expect-eof
	talk id 300 get /x expect-text 'Retry-After' expect-end protocol=0
	# Another role than a responder.
	talk begin role=2 params-end expect-end protocol=3 expect-eof
	# What is asked of the application.
	talk get-values FCGI_MAX_CONNS= expect-values get /x expect-text 'Status: 503'
	talk record 77 0 '' expect-unknown 77 get /x expect-text 'Status: 503'
	# No end of that; and what is no FastCGI.
	talk may-close raw "$(printf '\\x01\\x09\\0\\0\\0\\0\\0\\0%.0s' {1..40})" expect-closed
	talk may-close raw 'GET / HTTP/1.1\r\n\r\n' expect-closed
	talk half-close expect-closed
	touch "$T/go"
	answered busy
}

@test "a process that takes the connection first does not make the supervisor wait" {
	need_queue
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	TEST_WRAPPER="env LD_PRELOAD=$FCGI_BUILD/tests/slow-accept.so SLOW_ACCEPT=$T/accept"
	TEST_WRAPPER+=" ASAN_OPTIONS=verify_asan_link_order=0"
	supervise -s "$S" -F 1 --queue 0 -- "$APP"
	saturate
	ask_later client n=1
	eventually test -e "$T/accept.begun"
	touch "$T/go"
	all_answered busy client
	touch "$T/accept.go"
	kill -HUP "$KEEPER"
	logged 'reloaded'
	ask
	refuses_nobody
}

@test "without descriptors that is told, and it goes on later" {
	need prlimit
	need_queue
	supervise -s "$S" -F 1 --queue-timeout 0.5 -- "$APP"
	saturate
	prlimit --pid "$KEEPER" --nofile=3:
	come client
	logged 'cannot refuse who waits too long: Too many open files'
	queue_is 1
	prlimit --pid "$KEEPER" --nofile=1024:
	refused client
	touch "$T/go"
	answered busy
}

@test "a stop refuses whom no process serves any more" {
	local begin

	need_queue
	supervise -s "$S" -F 1 --queue 9 --stop-timeout 12 -- "$APP" deaf
	saturate
	come first second
	begin=$SECONDS
	kill -TERM "$KEEPER"
	refused first second
	[ $((SECONDS - begin)) -le 9 ] # half of the time, and no more
	logged 'refused with 503: [12] requests?, since no process is left to serve them'
	await keeper 20
	[ $((SECONDS - begin)) -le 14 ]
}

@test "a stop serves those that it can, and refuses those that have waited too long" {
	need_queue
	supervise -s "$S" -F 1 --queue-timeout 4 --stop-timeout 60 -- "$APP"
	saturate
	timed 0 0
	eventually queue_is 2
	kill -TERM "$KEEPER"
	await timed
	took 1 503 2900 4200
	took 2 503 2900 4200
	touch "$T/go"
	answered busy
	await keeper
	[ "$STATUS" = 0 ]
}

@test "a second TERM leaves nobody without an answer" {
	need_queue
	supervise -s "$S" -F 1 --queue 9 -- "$APP"
	saturate
	come first second
	kill -TERM "$KEEPER"
	eventually test ! -e "$S"
	kill -TERM "$KEEPER"
	refused first second
	await keeper
}

@test "--queue and --queue-timeout need --supervise" {
	spawn -s "$S" --queue 5 -- /bin/true
	[ "$status" = 255 ]
	[[ $stderr = *'--queue needs --supervise'* ]]
	spawn -s "$S" --queue-timeout 5 -- /bin/true
	[ "$status" = 255 ]
	[[ $stderr = *'--queue-timeout needs --supervise'* ]]
}
