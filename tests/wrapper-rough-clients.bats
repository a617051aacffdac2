#!/usr/bin/env bats
# Clients on rough ground: that send halves, close halves, read slowly, keep connections, come in
# crowds, or are not welcome.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

# Half-closed connections. ----------------------------------------------------------------------

@test "a client that ends its direction after a whole request is answered" {
	start_wrapper
	ask get-values FCGI_MPXS_CONNS= expect-values request "$CGI/sleep.sh" QUERY_STRING=0.3 \
		CONTENT_LENGTH=0 stdin-end half-close expect-text slept expect-end app=0 expect-eof
	[ ! -s "$T/log" ]
}

@test "a client that ends its direction after a whole body is answered" {
	start_wrapper
	ask request "$CGI/sum.sh" CONTENT_LENGTH=300000 stdin-zero 300000 stdin-end half-close \
		expect-text bytes=300000 expect-end app=0
}

@test "a client that ends its direction after a request that it wants kept is answered, and closed" {
	start_wrapper
	ask request "$CGI/sleep.sh" QUERY_STRING=0.3 CONTENT_LENGTH=0 keep stdin-end half-close \
		expect-text slept expect-end app=0 expect-eof
}

@test "a client that ends its direction within a body is not answered as if it were whole" {
	start_wrapper
	ask request "$CGI/touch.sh" QUERY_STRING="$T/touched" CONTENT_LENGTH= stdin half half-close \
		expect-closed
	vanished "$T/touched"
}

@test "a client that ends its direction and then closes has left" {
	start_wrapper
	ask request "$CGI/term.sh" QUERY_STRING="$T/heard" CONTENT_LENGTH=0 stdin-end \
		expect-text script= half-close wait 100 close
	in_file '^script$' "$T/heard"
}

# Requests without a length. --------------------------------------------------------------------

@test "GET without a length, a chunked body and an end of STDIN starts at once" {
	start_wrapper
	ask timeout 10 begin params SCRIPT_FILENAME="$CGI/length.sh" REQUEST_METHOD=GET params-end \
		expect-text bytes=0 expect-end app=0
}

@test "HEAD without a length, a chunked body and an end of STDIN starts at once" {
	start_wrapper
	ask timeout 10 begin params SCRIPT_FILENAME="$CGI/touch.sh" QUERY_STRING="$T/touched" \
		REQUEST_METHOD=HEAD params-end expect-end app=0
	test -e "$T/touched"
}

@test "POST, and GET with a chunked body, without a length wait for the end of STDIN" {
	start_wrapper
	ask request "$CGI/length.sh" REQUEST_METHOD=POST expect-no-reply 300 stdin abc stdin-end \
		expect-text bytes=3 expect-end app=0
	ask request "$CGI/length.sh" HTTP_TRANSFER_ENCODING=chunked expect-no-reply 300 stdin abc \
		stdin-end expect-text bytes=3 expect-end app=0
}

# Slow clients, and neighbours. -----------------------------------------------------------------

@test "a client that reads slowly but never pauses outlives --silence-timeout" {
	start_wrapper -c 1 --silence-timeout 500ms
	script long.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\n'
		exec head -c 700000 /dev/zero
	END
	ask out 1 "$T/1" get-values FCGI_MPXS_CONNS= expect-values request "$T/long.sh" \
		CONTENT_LENGTH=0 stdin-end read-slowly 8000 40 listen expect-end app=0 expect-bytes 700028
	[ ! -s "$T/log" ]
}

@test "a client that reads slowly outlives --silence-timeout on TCP too" {
	start_wrapper -c 1 --silence-timeout 1s -s "tcp:127.0.0.1:$(free_port)"
	script long.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\n'
		exec head -c 6000000 /dev/zero
	END
	ask out 1 "$T/1" request "$T/long.sh" CONTENT_LENGTH=0 stdin-end read-slowly 30000 20 listen \
		expect-end app=0 expect-bytes 6000028
	not grep -q silence-timeout "$T/log"
}

@test "a time-out in the midst of a response leaves the neighbour on its connection alone" {
	script half.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nhalf\n'
		exec sleep 60
	END
	start_wrapper -c 1 --timeout 1s
	ask request "$T/half.sh" CONTENT_LENGTH=0 keep expect-text half wait 400 \
		id 2 request "$CGI/sleep.sh" QUERY_STRING=0.8 CONTENT_LENGTH=0 keep \
		id 1 expect-end id 2 expect-text slept expect-end app=0 protocol=0 status
	lacks_line 'id=1 app=0 protocol=0'
	eventually has_children "$(worker)" 0
}

@test "a script killed in the midst of its response leaves the neighbour on its connection alone" {
	script part.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\npart\n'
		sleep 0.3
		kill -9 $$
	END
	start_wrapper -c 1
	ask request "$T/part.sh" CONTENT_LENGTH=0 keep expect-text part \
		id 2 request "$CGI/sleep.sh" QUERY_STRING=0.8 CONTENT_LENGTH=0 keep \
		id 1 expect-end id 2 expect-text slept expect-end app=0 protocol=0 status
	lacks_line 'id=1 app=0 protocol=0'
}

# Many clients. ---------------------------------------------------------------------------------

# listening PID...: those of these processes that have a listening socket.
listening() {
	local inodes pid fd

	inodes=$(awk -v path="$T/s" '$NF == path && $6 == "01" { print $7 }' /proc/net/unix)
	for pid; do
		for fd in "/proc/$pid/fd"/*; do
			case " $inodes " in
			*"$(readlink "$fd" | sed -n 's/^socket:\[\(.*\)\]$/ \1 /p')"*)
				[[ $(readlink "$fd") != socket:* ]] || { echo "$pid"; break; } ;;
			esac
		done
	done
}

@test "pipes are not widened for all of many long transfers" {
	need_proc
	need perl
	start_wrapper -c 1
	start clients "$FCGI_TALK" -n 100 -j 100 "$SOCKET" timeout 60 deaf \
		request "$CGI/stream.sh" QUERY_STRING=8 CONTENT_LENGTH=0 stdin-end read-some 100000 \
		wait 50000
	eventually -t 30 has_children "$(worker)" 100
	sleep 1
	run perl -MFcntl -e '
		my ($all, $wide) = (0, 0);
		for my $fd (glob "/proc/$ARGV[0]/fd/*") {
			next unless (readlink $fd // "") =~ /^pipe:/;
			sysopen my $pipe, $fd, O_RDONLY | O_NONBLOCK or next;
			my $size = fcntl $pipe, 1032, 0;
			$all++;
			$wide++ if $size > 65536;
		}
		print "$all pipes, $wide of them widened\n";
		exit !($all >= 100 && $wide <= 64);
	' "$(worker)"
	echo "$output"
	[ "$status" = 0 ]
}

@test "--max-unfinished bounds the requests whose parameters or body still come" {
	start_wrapper -c 1 --max-unfinished 3
	ask begin id=1 keep params SCRIPT_FILENAME="$CGI/hello.sh" params-send \
		begin id=2 keep params SCRIPT_FILENAME="$CGI/hello.sh" params-send \
		id 3 request "$CGI/length.sh" REQUEST_METHOD=POST CONTENT_LENGTH= keep stdin a \
		get-values FCGI_MPXS_CONNS= expect-values \
		id 4 request "$CGI/length.sh" REQUEST_METHOD=POST CONTENT_LENGTH= keep stdin a \
		expect-text 'Status: 503 ' expect-end \
		id 1 params-end stdin-end expect-text hello expect-end app=0 \
		id 3 stdin b stdin-end expect-text bytes=2 expect-end app=0 \
		id 5 request "$CGI/length.sh" REQUEST_METHOD=POST CONTENT_LENGTH= keep stdin abc stdin-end \
		expect-text bytes=3 expect-end app=0
	logged '--max-unfinished'
}

@test "--max-unfinished refuses who only begins, too" {
	start_wrapper -c 1 --max-unfinished 1
	ask begin id=1 keep begin id=2 keep expect-text 'Status: 503 ' expect-end \
		id 1 params SCRIPT_FILENAME="$CGI/hello.sh" params-end stdin-end expect-text hello \
		expect-end app=0
}

@test "--max-unfinished counts all connections together" {
	start_wrapper -c 1 --max-unfinished 2
	start_client first begin params SCRIPT_FILENAME="$CGI/hello.sh" params-send \
		get-values FCGI_MPXS_CONNS= expect-values trace "$T/first" get-values FCGI_MPXS_CONNS= \
		expect-values await "$T/go" params-end stdin-end expect-text hello expect-end app=0
	start_client second begin params SCRIPT_FILENAME="$CGI/hello.sh" params-send \
		get-values FCGI_MPXS_CONNS= expect-values trace "$T/second" get-values FCGI_MPXS_CONNS= \
		expect-values await "$T/go" params-end stdin-end expect-text hello expect-end app=0
	in_file GET_VALUES_RESULT "$T/first"
	in_file GET_VALUES_RESULT "$T/second"
	ask begin params SCRIPT_FILENAME="$CGI/hello.sh" params-send expect-text 'Status: 503 ' expect-end
	: >"$T/go"
	await first
	[ "$STATUS" = 0 ]
	await second
	[ "$STATUS" = 0 ]
	ask get "$CGI/hello.sh" expect-end app=0
}

@test "--max-unfinished does not count requests that wait for a slot, or run" {
	start_wrapper -c 1 --max-unfinished 1 --max-scripts 1
	start_waiting client
	start_client queued trace "$T/trace" request "$CGI/hello.sh" CONTENT_LENGTH=0 stdin-end \
		get-values FCGI_MPXS_CONNS= expect-text hello expect-end app=0
	in_file GET_VALUES_RESULT "$T/trace"
	start_client other get "$CGI/hello.sh" expect-text hello expect-end app=0
	: >"$T/go"
	answered client
	await queued
	[ "$STATUS" = 0 ]
	await other
	[ "$STATUS" = 0 ]
}

@test "beyond --max-spool the client of a body of known length has to wait" {
	mkdir "$T/spool"
	start_wrapper -c 1 --max-scripts 1 --max-spool 1m --spool-dir "$T/spool"
	start_waiting holder
	start_client first request "$CGI/length.sh" CONTENT_LENGTH=900000 stdin-zero 900000 stdin-end \
		expect-text bytes=900000 expect-end app=0
	start_client second request "$CGI/length.sh" CONTENT_LENGTH=900000 stdin-zero 900000 stdin-end \
		expect-text bytes=900000 expect-end app=0
	: >"$T/go"
	answered holder
	await first
	[ "$STATUS" = 0 ]
	await second
	[ "$STATUS" = 0 ]
}

@test "--max-spool bounds bodies of unknown length too" {
	mkdir "$T/spool"
	start_wrapper -c 1 --max-spool 1m --spool-dir "$T/spool"
	ask may-close request "$CGI/length.sh" REQUEST_METHOD=POST CONTENT_LENGTH= stdin-zero 3000000 \
		stdin-end expect-text 'Status: 503 ' expect-end
	ask request "$CGI/length.sh" REQUEST_METHOD=POST CONTENT_LENGTH= stdin-zero 500000 stdin-end \
		expect-text bytes=500000 expect-end app=0
}

# Whoever is not welcome. -----------------------------------------------------------------------

# knock PORT TEXT: so many connections that send this, one after the other.
knock() {
	perl -MIO::Socket::INET -e '
		for (1 .. 3000) {
			my $s = IO::Socket::INET->new("127.0.0.1:$ARGV[0]") or next;
			$SIG{PIPE} = "IGNORE";
			syswrite $s, $ARGV[1] if length $ARGV[1];
			1 while sysread $s, my $answer, 100;
		}
	' "$1" "$2"
}

@test "peers that are refused by --allow cannot fill the log" {
	local port

	port=$(free_port)
	start_wrapper -c 1 -s "tcp:127.0.0.1:$port" --allow 192.0.2.1
	knock "$port" ''
	logged 'connection from 127\.0\.0\.1.* refused'
	[ "$(wc -l <"$T/log")" -lt 1000 ]
}

@test "peers that do not speak FastCGI cannot fill the log" {
	local port

	port=$(free_port)
	start_wrapper -c 1 -s "tcp:127.0.0.1:$port"
	knock "$port" $'GET / HTTP/1.0\r\n\r\n'
	logged 'does not speak FastCGI'
	[ "$(wc -l <"$T/log")" -lt 1000 ]
}
