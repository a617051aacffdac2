#!/usr/bin/env bats
# The time-outs of fcgiwrap, what becomes of scripts whose client leaves, of those that work on
# after their answer, and of what scripts leave behind.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

# Scripts: one that never says anything, and one that says half of it.
make_mute() {
	script mute.sh <<-'END'
		#!/bin/sh
		echo 'thinking hard' >&2
		exec sleep 60
	END
	script half.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nhalf=%s\n' $$
		exec sleep 60
	END
}

# A script that answers with its pid, lets go of its output, and works on until there is a file
# QUERY_STRING; then it leaves QUERY_STRING.finished. TERM makes it leave QUERY_STRING.term.
make_worker() {
	script work.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nworker=%s\n' $$
		exec >/dev/null 2>&1
		exec perl -e '
			my $file = $ENV{QUERY_STRING};
			$SIG{TERM} = sub { open my $f, ">", "$file.term"; exit };
			select undef, undef, undef, 0.02 until -e $file;
			open my $f, ">", "$file.finished";
		'
	END
}

@test "--timeout answers with 504 if nothing was sent, and says why" {
	make_mute
	start_wrapper --timeout 300ms
	ask request "$T/mute.sh" CONTENT_LENGTH=0 expect-no-reply 150 expect-text 'Status: 504 ' \
		expect-end
	logged 'mute\.sh\[[0-9]+\]: ended after 0\.3.* s \(--timeout\); it said: thinking hard'
}

@test "--timeout cuts the connection if something was sent" {
	make_mute
	start_wrapper --timeout 300ms
	ask get-values FCGI_MPXS_CONNS= expect-values \
		request "$T/half.sh" CONTENT_LENGTH=0 keep trace "$T/trace" expect-text half= \
		expect-closed
	lacks 'Status: 504'
	not grep END_REQUEST "$T/trace"
	eventually gone "$(sed -n 's/^half=//p' <<<"$output")"
}

@test "--timeout sends TERM to the whole group" {
	start_wrapper --timeout 400ms
	run --separate-stderr talk get "$CGI/term.sh" QUERY_STRING="$T/heard"
	in_file '^script$' "$T/heard"
	in_file '^child$' "$T/heard"
}

@test "--timeout is followed by KILL, --kill-after later, for a script that ignores TERM" {
	local script

	start_wrapper --timeout 200ms --kill-after 3s
	start_client client get "$CGI/ignore-term.sh" QUERY_STRING=30
	in_file '^pid=' "$T/client.out"
	script=$(sed -n 's/^pid=//p' "$T/client.out")
	await client
	alive "$script"
	eventually gone "$script"
}

@test "KILL after TERM goes to the whole group" {
	local child

	script family.sh <<-'END'
		#!/bin/sh
		trap '' TERM
		sleep 60 &
		printf 'Content-Type: text/plain\n\nchild=%s\n' $!
		exec sleep 60
	END
	start_wrapper --kill-after 3s
	ask request "$T/family.sh" CONTENT_LENGTH=0 expect-text child= abort expect-end
	child=$(sed -n 's/^child=//p' <<<"$output")
	alive "$child"
	eventually gone "$child"
}

@test "a child that ignores TERM is killed even if the script itself has heard it" {
	local child

	script orphan.sh <<-'END'
		#!/bin/sh
		(trap '' TERM; exec sleep 60) &
		printf 'Content-Type: text/plain\n\nchild=%s\n' $!
		exec sleep 60
	END
	start_wrapper --kill-after 300ms
	ask request "$T/orphan.sh" CONTENT_LENGTH=0 expect-text child= abort expect-end
	child=$(sed -n 's/^child=//p' <<<"$output")
	eventually gone "$child"
}

@test "without --timeout a script may take its time" {
	start_wrapper --silence-timeout 0
	ask request "$CGI/sleep.sh" QUERY_STRING=1 CONTENT_LENGTH=0 expect-no-reply 700 \
		expect-text slept expect-end app=0
}

@test "--timeout does not count the time in the queue" {
	start_wrapper --max-scripts 1 --timeout 900ms
	ask request "$CGI/sleep.sh" QUERY_STRING=0.6 CONTENT_LENGTH=0 keep \
		id 2 request "$CGI/sleep.sh" QUERY_STRING=0.6 CONTENT_LENGTH=0 keep \
		id 1 expect-end app=0 id 2 expect-end app=0
	lacks 504
}

@test "--timeout concerns one request, and not its neighbours on the connection" {
	make_mute
	start_wrapper --timeout 400ms
	ask request "$T/mute.sh" CONTENT_LENGTH=0 keep expect-no-reply 100 \
		id 2 get "$CGI/hello.sh" keep id 1 expect-text 'Status: 504 ' expect-end \
		id 3 get "$CGI/hello.sh" keep expect-end app=0 expect-open 50
}

@test "--silence-timeout answers with 504 if nothing was sent" {
	make_mute
	start_wrapper --silence-timeout 300ms
	ask request "$T/mute.sh" CONTENT_LENGTH=0 expect-no-reply 150 expect-text 'Status: 504 ' \
		expect-end
	logged 'mute\.sh\[[0-9]+\]: ended after .* of which 0\.3 s without a byte .*--silence-timeout'
}

@test "--silence-timeout cuts the connection if something was sent" {
	make_mute
	start_wrapper --silence-timeout 300ms
	ask trace "$T/trace" request "$T/half.sh" CONTENT_LENGTH=0 keep expect-text half= expect-closed
	not grep END_REQUEST "$T/trace"
	eventually gone "$(sed -n 's/^half=//p' <<<"$output")"
}

@test "--silence-timeout lets a script drip" {
	start_wrapper --silence-timeout 700ms
	ask get "$CGI/slow-drip.sh" QUERY_STRING=6 expect-end app=0
	has_line 'drip 6'
}

@test "--silence-timeout lets a body drip" {
	start_wrapper --silence-timeout 700ms
	ask request "$CGI/sum.sh" CONTENT_LENGTH=5 stdin a wait 300 stdin b wait 300 stdin c \
		wait 300 stdin d wait 300 stdin e expect-end app=0
	has bytes=5
}

@test "--silence-timeout ends a request whose client reads nothing" {
	start_wrapper -c 1 --silence-timeout 500ms
	start_client client timeout 60 request "$CGI/stream.sh" QUERY_STRING=100 CONTENT_LENGTH=0 \
		read-some 1000 wait 30000
	logged '--silence-timeout'
	eventually has_children "$(worker)" 0
	ask get "$CGI/hello.sh"
	has_line hello
}

@test "--silence-timeout closes the connection of a client that leaves a finished answer unread" {
	local before

	need_proc
	start_wrapper -c 1 --silence-timeout 500ms
	before=$(descriptors "$(worker)")
	script kept.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\n'
		exec head -c 350000 /dev/zero
	END
	start_client client deaf request "$T/kept.sh" CONTENT_LENGTH=0 keep wait 30000
	logged 'read nothing of its response|--silence-timeout'
	eventually has_descriptors "$before"
}

has_descriptors() {
	[ "$(descriptors "$(worker)")" = "$1" ]
}

@test "--client-timeout answers a client that stalls in its parameters with 408" {
	start_wrapper --client-timeout 300ms
	ask begin params SCRIPT_FILENAME="$CGI/hello.sh" params-send expect-no-reply 150 \
		expect-text 'Status: 408 ' expect-end expect-eof
	logged 'a request: the client sent nothing more .*0\.3 s \(--client-timeout\)'
}

@test "--client-timeout answers a client that stalls in its body with 408, and ends the script" {
	script reader.sh <<-END
		#!/bin/sh
		echo \$\$ >$T/pid
		exec cat
	END
	start_wrapper --client-timeout 300ms
	ask request "$T/reader.sh" CONTENT_LENGTH=10 keep stdin half expect-text 'Status: 408 ' \
		expect-end
	logged 'reader\.sh: the client sent nothing more'
	eventually gone "$(cat "$T/pid")"
}

@test "--client-timeout answers a client that stalls before the end of a body of unknown length" {
	start_wrapper --client-timeout 300ms
	ask request "$CGI/touch.sh" QUERY_STRING="$T/touched" CONTENT_LENGTH= stdin half \
		expect-text 'Status: 408 ' expect-end
	vanished "$T/touched"
}

@test "--client-timeout ends a connection that never completes its first record" {
	start_wrapper --client-timeout 300ms
	ask raw '\x01\x01\0' expect-open 150 expect-closed
}

@test "--client-timeout lets a client send slowly" {
	start_wrapper --client-timeout 700ms
	ask begin params SCRIPT_FILENAME="$CGI/sum.sh" params-send wait 300 params CONTENT_LENGTH=4 \
		params-send wait 300 params-end wait 300 stdin ab wait 300 stdin cd expect-end app=0
	has bytes=4
}

@test "--timeout ends a script whose client goes on sending a byte now and then" {
	start_wrapper -c 1 --timeout 1s --client-timeout 1s --max-scripts 1
	start_client dripper timeout 60 may-close request "$CGI/sum.sh" CONTENT_LENGTH=1000 pace 200 slice 1 \
		stdin "$(printf '%0100d' 0)"
	logged 'sum\.sh.*: ended after [.0-9]* s \(--timeout\)'
	ask get "$CGI/hello.sh" expect-text hello
}

@test "--client-timeout does not concern a client that waits for its answer" {
	start_wrapper --client-timeout 300ms
	ask request "$CGI/sleep.sh" QUERY_STRING=0.8 CONTENT_LENGTH=2 stdin ab expect-text slept \
		expect-end app=0
}

@test "a request that stalls is given up although others on its connection go on" {
	local steps=() id

	start_wrapper --client-timeout 400ms
	for id in {2..16}; do
		steps+=(id "$id" get "$CGI/hello.sh" keep wait 100)
	done
	ask trace "$T/trace" begin keep params A=b params-send may-close "${steps[@]}" status
	has 'Status: 408 '
}

@test "--idle-timeout closes a kept connection that is not used, and not before" {
	start_wrapper --idle-timeout 400ms
	ask get "$CGI/hello.sh" keep expect-open 250 expect-eof
	ask expect-open 250 expect-eof
}

@test "--idle-timeout counts from the last request" {
	start_wrapper --idle-timeout 500ms
	ask get "$CGI/hello.sh" keep wait 300 get "$CGI/hello.sh" keep wait 300 \
		get "$CGI/hello.sh" keep expect-open 250 expect-eof
}

@test "--idle-timeout does not concern a connection whose script works" {
	start_wrapper --idle-timeout 300ms
	ask get "$CGI/sleep.sh" QUERY_STRING=0.8 keep expect-end app=0 expect-open 100
	has_line slept
}

@test "--on-abort kill is the default: a script whose client leaves hears TERM" {
	start_wrapper
	start_client client request "$CGI/term.sh" QUERY_STRING="$T/heard" CONTENT_LENGTH=0 \
		expect-text child= close
	await client
	in_file '^script$' "$T/heard"
}

@test "--on-abort ignore lets a script finish whose client leaves" {
	start_wrapper --on-abort ignore
	script finish.sh <<-END
		#!/bin/sh
		trap ': >$T/heard' TERM
		printf 'Content-Type: text/plain\n\nbegun\n'
		until [ -e $T/go ]; do sleep 0.02; done
		head -c 300000 /dev/zero && : >$T/finished
	END
	ask request "$T/finish.sh" CONTENT_LENGTH=0 expect-text begun close
	: >"$T/go"
	eventually test -e "$T/finished"
	vanished "$T/heard"
}

@test "--on-abort ignore ends the request of an ABORT at once, and the script goes on" {
	start_wrapper --on-abort ignore
	make_worker
	script finish.sh <<-END
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nbegun\n'
		until [ -e $T/go ]; do sleep 0.02; done
		: >$T/finished
	END
	ask request "$T/finish.sh" CONTENT_LENGTH=0 keep expect-text begun abort expect-end protocol=0 \
		get "$CGI/hello.sh" keep
	has_line hello
	: >"$T/go"
	eventually test -e "$T/finished"
}

@test "--on-abort ignore does not save a script from --timeout" {
	make_mute
	start_wrapper --on-abort ignore --timeout 300ms
	ask request "$T/half.sh" CONTENT_LENGTH=0 expect-text half= expect-closed
	eventually gone "$(sed -n 's/^half=//p' <<<"$output")"
}

@test "--on-abort wants kill or ignore" {
	run -1 "$FCGIWRAP" -s "$SOCKET" --on-abort maybe
	has '--on-abort wants kill or ignore, not "maybe"'
}

@test "a script that closes its output and works on has answered" {
	make_worker
	start_wrapper -c 1
	ask get "$T/work.sh" QUERY_STRING="$T/w" expect-end protocol=0 expect-eof
	alive "$(sed -n 's/^worker=//p' <<<"$output")"
	: >"$T/w"
	eventually test -e "$T/w.finished"
	logged_times 0 .
	eventually has_children "$(worker)" 0
}

@test "a script in the background leaves its place to others" {
	make_worker
	start_wrapper --max-scripts 1 --queue 0
	ask get "$T/work.sh" QUERY_STRING="$T/w"
	ask get "$CGI/hello.sh"
	has_line hello
	: >"$T/w"
	eventually test -e "$T/w.finished"
}

@test "--max-background bounds how many leave their place" {
	local i

	make_worker
	start_wrapper -c 1 --max-scripts 1 --queue 0 --max-background 2
	for i in 1 2 3; do
		ask get "$T/work.sh" QUERY_STRING="$T/w"
		has worker=
	done
	ask get "$CGI/hello.sh"
	has 'Status: 503 '
	: >"$T/w"
	eventually has_children "$(worker)" 0
	ask get "$CGI/hello.sh"
	has_line hello
}

@test "--background-timeout ends what works on for too long, by TERM" {
	make_worker
	start_wrapper -c 1 --background-timeout 400ms
	ask get "$T/work.sh" QUERY_STRING="$T/w"
	eventually test -e "$T/w.term"
	eventually has_children "$(worker)" 0
	vanished "$T/w.finished"
	logged 'process [0-9]+ is still at work .* after its request; ending it'
}

@test "--background-timeout is followed by KILL for a script that ignores TERM" {
	local script

	script stubborn.sh <<-'END'
		#!/bin/sh
		trap '' TERM
		printf 'Content-Type: text/plain\n\npid=%s\n' $$
		exec >/dev/null 2>&1
		exec sleep 60
	END
	start_wrapper --background-timeout 200ms --kill-after 200ms
	ask get "$T/stubborn.sh"
	script=$(sed -n 's/^pid=//p' <<<"$output")
	eventually gone "$script"
}

@test "--timeout does not concern a script in the background" {
	make_worker
	start_wrapper --timeout 300ms
	ask get "$T/work.sh" QUERY_STRING="$T/w"
	ask request "$CGI/sleep.sh" CONTENT_LENGTH=0 expect-text 'Status: 504 ' expect-end
	: >"$T/w"
	eventually test -e "$T/w.finished"
}

@test "a script that closes only its standard output is still answering" {
	script whisper.sh <<-END
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nanswer\n'
		exec >/dev/null
		until [ -e $T/go ]; do sleep 0.02; done
		echo 'last words' >&2
	END
	start_wrapper -f
	start_client client trace "$T/trace" get "$T/whisper.sh" expect-stderr 'last words' expect-end
	in_file '^answer' "$T/client.out"
	not grep END_REQUEST "$T/trace"
	: >"$T/go"
	await client
	[ "$STATUS" = 0 ]
}

@test "output that a grandchild holds open ends about a second after the script" {
	local before after

	start_wrapper
	before=$(date +%s%N)
	ask get "$CGI/daemonise.sh" QUERY_STRING=20 expect-end app=0
	after=$(date +%s%N)
	has_line 'left a daemon'
	[ "$(((after - before) / 1000000))" -ge 800 ]
	[ "$(((after - before) / 1000000))" -lt 5000 ]
}

@test "a grandchild that goes on writing is heard, and then no longer than the grace" {
	script chatter.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\n'
		(for i in 1 2 3; do sleep 0.2; echo "child $i"; done) &
		exit 0
	END
	start_wrapper
	ask get "$T/chatter.sh" expect-end app=0
	has_line 'child 3'
}

@test "what a script leaves behind has no more time than the script" {
	script chatter.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\n'
		(while :; do sleep 0.1; echo still; done) &
		exit 0
	END
	start_wrapper --timeout 1
	ask request "$T/chatter.sh" CONTENT_LENGTH=0 expect-text still expect-closed
	logged 'chatter\.sh\[[0-9]+\]: ended after 1.* s \(--timeout\)'
}

@test "a slow client may take longer over an answer than --timeout" {
	script prompt.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\n'
		exec perl -e 'print "x" x 260000'
	END
	start_wrapper --timeout 2
	ask out 1 "$T/1" request "$T/prompt.sh" CONTENT_LENGTH=0 keep stdin-end deaf wait 3000 listen \
		expect-end app=0 expect-bytes 260028
}

@test "a script that reads its own output back does not keep us busy" {
	local before

	need_proc
	script self.pl <<-'END'
		#!/usr/bin/perl
		syswrite STDOUT, "Content-Type: text/plain\n\n";
		my $writer = fork;
		unless ($writer) { 1 while syswrite STDOUT, 'x' x 65536 }
		sleep 1;
		kill 'STOP', $writer;
		open my $in, '<', '/proc/self/fd/1';
		1 while sysread $in, my $bytes, 65536;
	END
	start_wrapper -c 1
	start_client client request "$T/self.pl" CONTENT_LENGTH=0 stdin-end deaf wait 2500 listen \
		wait 2000 close
	sleep 3
	before=$(cpu_of "$(worker)")
	sleep 1
	[ "$(($(cpu_of "$(worker)") - before))" -lt 30 ]
}

@test "a log that nobody reads keeps nobody waiting" {
	mkfifo "$T/pipe"
	exec 9<>"$T/pipe"
	LOG=$T/pipe start wrapper run_under "$FCGIWRAP" -s "$SOCKET"
	eventually test -S "$T/s"
	crowd 1000 10 get "/$(printf '%0200d' 0)"
	exec 9>&-
}

@test "zombies do not stay" {
	start_wrapper -c 1
	crowd 100 10 get "$CGI/hello.sh"
	crowd 20 10 get "$CGI/exit.sh" QUERY_STRING=3
	crowd 20 10 get "$CGI/crash.sh"
	crowd 20 10 request "$CGI/ignore-term.sh" QUERY_STRING=0.3 CONTENT_LENGTH=0 expect-text pid= close
	crowd 20 10 get "$CGI/no-such.sh"
	eventually has_children "$(worker)" 0
}

@test "--stop-timeout cuts what has not finished, by TERM to the scripts" {
	start_wrapper --stop-timeout 300ms
	start_client client request "$CGI/term.sh" QUERY_STRING="$T/heard" CONTENT_LENGTH=0 \
		expect-text child= expect-closed
	in_file '^child=' "$T/client.out"
	stop wrapper
	[ "$STATUS" = 0 ]
	in_file '^child$' "$T/heard"
	grep -q 'did not finish in time' "$T/log"
}

@test "a wrapper that waits does not use the processor" {
	local before pid

	need_proc
	make_mute
	start_wrapper -c 1
	pid=$(worker)
	start_client client request "$T/half.sh" CONTENT_LENGTH=0 expect-text half= wait 30000
	start_client stalled request "$CGI/echo" CONTENT_LENGTH=10 stdin half wait 30000
	start_client deaf deaf request "$CGI/stream.sh" QUERY_STRING=50 CONTENT_LENGTH=0 wait 30000
	in_file '^half=' "$T/client.out"
	ask get "$CGI/sleep.sh" QUERY_STRING=0.5
	before=$(cpu_of "$pid")
	ask get "$CGI/sleep.sh" QUERY_STRING=1
	[ "$(($(cpu_of "$pid") - before))" -le 10 ]
}
