#!/usr/bin/env bats
# Bodies and answers: large and slow ones, many at once, and those that nobody waits for.
#
# shellcheck disable=SC2016,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

MIB=1048576

# mebibytes COUNT: the body that stream.sh answers with.
mebibytes() {
	QUERY_STRING=$1 "$CGI/stream.sh" | tail -n +3
}

# body_of FILE: what follows the header in an answer.
body_of() {
	sed '1,/^\r$/d' "$1"
}

# first_peak, then peak_below KIB THAT: bounds the memory that the wrapper took meanwhile. A new
# worker has yet to touch what it shares with its parent.
first_peak() {
	talk post "$CGI/echo" "$(printf '%05000d' 1)" >/dev/null
	peak
}

peak() {
	sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$(worker)/status"
}

peak_below() {
	local kib

	kib=$(peak)
	echo "took $((kib - $2)) KiB"
	# a sanitizer's own memory tells nothing
	[ $((kib - $2)) -lt "$1" ] || grep -q libasan "/proc/$(worker)/maps"
}

# has_spool COUNT: so many request bodies wait in nameless files.
has_spool() {
	local files=("/proc/$(worker)/fd"/*) file count=0

	for file in "${files[@]}"; do
		case $(readlink "$file") in
		"$T/spool/"*' (deleted)') count=$((count + 1)) ;;
		esac
	done
	[ "$count" = "$1" ]
}

@test "10 MiB come back" {
	start_wrapper
	mebibytes 10 >"$T/body"
	ask out 1 "$T/answer" request "$CGI/echo" CONTENT_LENGTH=$((10 * MIB)) \
		stdin-file "$T/body" stdin-end expect-end app=0
	body_of "$T/answer" | cmp - "$T/body"
}

@test "10 MiB come back to a client that sends all before it reads" {
	start_wrapper
	mebibytes 10 >"$T/body"
	ask out 1 "$T/answer" request "$CGI/echo" CONTENT_LENGTH=$((10 * MIB)) deaf \
		stdin-file "$T/body" stdin-end expect-end app=0
	body_of "$T/answer" | cmp - "$T/body"
}

@test "100 MiB arrive at the client, and take no memory" {
	local before

	need_proc
	start_wrapper -c 1
	before=$(first_peak)
	ask out 1 "$T/answer" get "$CGI/stream.sh" QUERY_STRING=100 expect-end app=0
	[ "$(body_of "$T/answer" | cksum)" = "$(mebibytes 100 | cksum)" ]
	peak_below 1024 "$before"
}

@test "100 MiB arrive at the script, and take no memory" {
	local before

	need_proc
	start_wrapper -c 1
	mebibytes 100 >"$T/body"
	before=$(first_peak)
	ask request "$CGI/sum.sh" CONTENT_LENGTH=$((100 * MIB)) stdin-file "$T/body" stdin-end \
		expect-end app=0
	has "bytes=$((100 * MIB)) cksum=$(cksum <"$T/body" | cut -d ' ' -f 1)"
	peak_below 1024 "$before"
}

@test "a client that does not read costs no memory" {
	local before

	need_proc
	start_wrapper -c 1
	before=$(first_peak)
	start_client client request "$CGI/stream.sh" QUERY_STRING=100 CONTENT_LENGTH=0 \
		expect-text 000000000000001 deaf wait 10000
	in_file 000000000000001 "$T/client.out"
	ask request "$CGI/echo" CONTENT_LENGTH=$((20 * MIB)) deaf stdin-zero $((20 * MIB)) stdin-end \
		expect-end app=0 >/dev/null
	peak_below 1024 "$before"
}

@test "a script may answer without reading a large body" {
	start_wrapper
	ask request "$CGI/answer-early.sh" CONTENT_LENGTH=$((10 * MIB)) keep stdin-zero $((10 * MIB)) \
		stdin-end expect-end app=0 get "$CGI/hello.sh" keep
	has 'Status: 413' 'too large' hello
}

@test "a script may read slowly" {
	start_wrapper
	script slow.pl <<-'END'
		#!/usr/bin/env perl
		print "Content-Type: text/plain\n\n";
		while ((my $n = sysread STDIN, my $bytes, 300000) > 0) {
			$all += $n;
			select undef, undef, undef, 0.01;
		}
		print "bytes=$all\n";
	END
	ask request "$T/slow.pl" CONTENT_LENGTH=$((3 * MIB)) stdin-zero $((3 * MIB)) stdin-end \
		expect-text bytes=$((3 * MIB)) expect-end app=0
}

@test "a script may stop reading in the midst of a body" {
	start_wrapper
	script some.sh <<-'END'
		#!/bin/sh
		head -c 100000 | wc -c >&2
		exec <&-
		printf 'Content-Type: text/plain\n\nenough\n'
	END
	ask request "$T/some.sh" CONTENT_LENGTH=$((3 * MIB)) stdin-zero $((3 * MIB)) stdin-end \
		expect-text enough expect-end app=0
	logged ' 100000$'
}

@test "a length that is not known is found out" {
	local length

	start_wrapper
	for length in '' -1 12x '+5' ' 5' 5.0 99999999999999999999; do
		ask request "$CGI/length.sh" REQUEST_METHOD=POST CONTENT_LENGTH="$length" \
			stdin 'seven..' stdin ' and eight' stdin-end read
		has_line CONTENT_LENGTH=17 bytes=17
	done
	ask begin params SCRIPT_FILENAME="$CGI/length.sh" REQUEST_METHOD=POST params-end \
		stdin 'no length at all' stdin-end read
	has_line CONTENT_LENGTH=16 bytes=16
}

@test "10 MiB of unknown length wait in a file, and are all there" {
	start_wrapper
	mebibytes 10 >"$T/body"
	ask out 1 "$T/answer" request "$CGI/echo" CONTENT_LENGTH= stdin-file "$T/body" stdin-end \
		expect-end app=0
	body_of "$T/answer" | cmp - "$T/body"
}

@test "without a body there is no length" {
	start_wrapper
	ask request "$CGI/length.sh" CONTENT_LENGTH= stdin-end read
	has_line CONTENT_LENGTH=unset bytes=0
	ask begin params SCRIPT_FILENAME="$CGI/length.sh" params-end stdin-end read
	has_line CONTENT_LENGTH=unset bytes=0
	ask request "$CGI/length.sh" CONTENT_LENGTH=0 stdin-end read
	has_line CONTENT_LENGTH=0 bytes=0
}

@test "an empty body of wrongly spelled length has length 0" {
	start_wrapper
	ask request "$CGI/length.sh" CONTENT_LENGTH=-1 stdin-end read
	has_line CONTENT_LENGTH=0 bytes=0
}

@test "a body shorter than announced is refused with 400, and no script starts" {
	start_wrapper
	ask hold request "$CGI/touch.sh" QUERY_STRING="$T/started" CONTENT_LENGTH=10 stdin short \
		stdin-end release expect-end app=0
	has 'Status: 400 '
	logged 'body has 5 bytes instead of 10'
	vanished "$T/started"
}

@test "a body that turns out to be short is refused with 400, and its script ends" {
	start_wrapper -f
	script reader.sh <<-'END'
		#!/bin/sh
		echo "pid=$$" >&2
		exec cat >&2
	END
	ask request "$T/reader.sh" CONTENT_LENGTH=10 stdin short expect-stderr pid= stdin-end \
		expect-text 'Status: 400 ' expect-end
	[[ $stderr == *'body has 5 bytes instead of 10'* ]]
	[[ $stderr =~ pid=([0-9]+) ]]
	eventually gone "${BASH_REMATCH[1]}"
}

@test "an answer waits while the body keeps coming, as nginx wants it" {
	start_wrapper
	ask request "$CGI/echo" CONTENT_LENGTH=8 keep stdin half expect-no-reply 100 stdin half \
		expect-text halfhalf expect-end app=0
}

@test "a client that waits for an answer to the first part of its body gets it" {
	start_wrapper
	ask request "$CGI/echo" CONTENT_LENGTH=8 stdin half expect-text half stdin more \
		expect-text more expect-end app=0
}

@test "what comes beyond the announced length is cut off" {
	start_wrapper
	ask request "$CGI/echo" CONTENT_LENGTH=4 stdin 'body and more' stdin-end expect-text body \
		expect-end app=0 expect-no-text 'body '
	ask request "$CGI/echo" CONTENT_LENGTH=4 stdin bo stdin dy stdin more stdin-end \
		expect-text body expect-end app=0 expect-no-text bodym
}

@test "a body announced beyond --max-body is refused with 413, and no script starts" {
	start_wrapper --max-body 1k
	ask request "$CGI/touch.sh" QUERY_STRING="$T/started" CONTENT_LENGTH=1025 keep \
		expect-text 'Status: 413 ' expect-end app=0 stdin-zero 1025 stdin-end \
		request "$CGI/sum.sh" CONTENT_LENGTH=1024 stdin-zero 1024 stdin-end \
		expect-text bytes=1024 expect-end app=0
	logged 'request body of 1025 bytes refused'
	vanished "$T/started"
}

@test "a body of unknown length is refused with 413 once it goes beyond --max-body" {
	start_wrapper --max-body 1k
	ask request "$CGI/touch.sh" QUERY_STRING="$T/started" CONTENT_LENGTH= keep \
		stdin-zero 1025 expect-text 'Status: 413 ' expect-end app=0 stdin-zero 10 stdin-end \
		request "$CGI/length.sh" CONTENT_LENGTH= stdin-zero 1024 stdin-end \
		expect-text bytes=1024 expect-end app=0
	vanished "$T/started"
}

@test "what waits for a script has no name in --spool-dir" {
	need_proc
	mkdir "$T/spool"
	start_wrapper -c 1 --spool-dir "$T/spool"
	start_client client request "$CGI/wait.sh" QUERY_STRING="$T/go" CONTENT_LENGTH=$MIB \
		stdin-zero $MIB stdin-end read
	eventually has_spool 1
	[ -z "$(ls -A "$T/spool")" ]
	: >"$T/go"
	answered client
	eventually has_spool 0
}

# need_tmpfile: skips the test unless files can be made in $T that never had a name.
need_tmpfile() {
	[ "$(uname)" = Linux ] || skip 'O_TMPFILE is of Linux'
	# O_TMPFILE, which Fcntl lacks
	perl -MFcntl=:DEFAULT,O_DIRECTORY -e '
		sysopen my $file, $ARGV[0], O_RDWR | O_DIRECTORY | 020000000, 0600 or exit 1' "$T" ||
		skip "no O_TMPFILE in $T"
}

@test "what waits for a script never had a name where the system can do so" {
	need_proc
	need_tmpfile
	mkdir "$T/spool"
	start_wrapper -c 1 --spool-dir "$T/spool"
	start_client client request "$CGI/wait.sh" QUERY_STRING="$T/go" CONTENT_LENGTH=$MIB \
		stdin-zero $MIB stdin-end read
	eventually has_spool 1
	not has_named_spool
	: >"$T/go"
	answered client
}

has_named_spool() {
	readlink "/proc/$(worker)/fd"/* | grep -q "$T/spool/fcgiwrap-"
}

@test "small bodies need no file" {
	need_proc
	start_wrapper --spool-dir "$T/none"
	ask request "$CGI/length.sh" CONTENT_LENGTH= stdin-zero 60000 stdin-end expect-text bytes=60000
	logged_times 0 .
}

@test "a body that cannot be kept is answered with 503, and the log says where" {
	start_wrapper --spool-dir "$T/none"
	ask request "$CGI/length.sh" CONTENT_LENGTH= may-close stdin-zero $MIB stdin-end \
		expect-text 'Status: 503 ' expect-end
	logged "cannot keep the request body in $T/none: No such file or directory"
}

@test "HEAD drops the body of the answer" {
	start_wrapper
	ask get "$CGI/hello.sh" REQUEST_METHOD=HEAD expect-end app=0 expect-bytes 28
	ask get "$CGI/stream.sh" REQUEST_METHOD=HEAD QUERY_STRING=3 expect-end app=0 expect-bytes 42
	ask get "$CGI/missing.sh" REQUEST_METHOD=HEAD expect-text 'Status: 404' \
		expect-end expect-no-text '404 Not Found\r\n4'
}

@test "output arrives when it is written" {
	start_wrapper
	script steps.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n'
		printf '\nstep 1\n'
		for i in 2 3; do
			until [ -e "$QUERY_STRING$i" ]; do sleep 0.01; done
			echo "step $i"
		done
	END
	start_client client get "$T/steps.sh" QUERY_STRING="$T/step"
	in_file '^step 1$' "$T/client.out"
	: >"$T/step2"
	in_file '^step 2$' "$T/client.out"
	: >"$T/step3"
	await client
	[ "$STATUS" = 0 ]
	grep -qx 'step 3' "$T/client.out"
}

@test "100 requests at once are all answered" {
	start_wrapper
	crowd 100 100 post "$CGI/echo" 'a body' expect-text 'a body' expect-end app=0
}

@test "200 scripts that sleep do so at the same time" {
	start_wrapper
	crowd 200 200 timeout 20 get "$CGI/sleep.sh" QUERY_STRING=1 expect-text slept
}

holds_descriptors() {
	[ "$(descriptors "$1")" -ge "$2" ]
}

@test "40 idle connections leave room for others" {
	need_proc
	start_wrapper -c 1
	start idle "$FCGI_TALK" -j 40 "$SOCKET" get "$CGI/hello.sh" keep wait 20000
	eventually holds_descriptors "$(worker)" 40
	ask timeout 10 get "$CGI/hello.sh"
	has_line hello
}

@test "a client that leaves ends its script and the script's children" {
	start_wrapper
	ask request "$CGI/term.sh" QUERY_STRING="$T/heard" CONTENT_LENGTH=0 \
		expect-text script= expect-text child= close
	in_file '^script$' "$T/heard"
	in_file '^child$' "$T/heard"
}

@test "a client that leaves while it still sends ends its script" {
	start_wrapper -f
	ask request "$CGI/term.sh" QUERY_STRING="$T/heard" CONTENT_LENGTH=1000000 stdin-zero 400000 \
		expect-stderr ready close
	in_file '^script$' "$T/heard"
}

@test "a client that leaves kills a script that will not hear TERM" {
	local script

	start_wrapper --kill-after 200ms
	ask request "$CGI/ignore-term.sh" QUERY_STRING=30 CONTENT_LENGTH=0 expect-text pid= close
	script=$(sed -n 's/^pid=//p' <<<"$output")
	eventually gone "$script"
}

@test "a client that resets its connection ends its script" {
	start_wrapper -s "tcp:127.0.0.1:$(free_port)"
	ask request "$CGI/term.sh" QUERY_STRING="$T/heard" CONTENT_LENGTH=0 expect-text script= \
		expect-text child= reset
	in_file '^script$' "$T/heard"
	in_file '^child$' "$T/heard"
}

@test "a client that leaves in the midst of a large answer ends its script" {
	start_wrapper
	script flood.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\npid=%s\n' $$
		exec cat /dev/zero
	END
	ask request "$T/flood.sh" CONTENT_LENGTH=0 expect-text pid= read-some 300000 close >/dev/null
	eventually gone "$(tr -d '\0' <<<"$output" | sed -n 's/^pid=//p')"
}

@test "a grandchild that holds the output does not hold the request" {
	start_wrapper
	script daemon.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\n'
		sleep 20 &
		echo "daemon=$!"
	END
	ask timeout 8 get "$T/daemon.sh" keep expect-end app=0 get "$CGI/hello.sh" keep
	has_line hello
	adopt daemon "$(sed -n 's/^daemon=//p' <<<"$output")"
	alive "$(pid_of daemon)"
}

@test "a grandchild that holds all output does not hide a missing answer" {
	start_wrapper
	script daemon.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n'
		sleep 20 &
		echo $! >"$QUERY_STRING"
	END
	ask timeout 8 get "$T/daemon.sh" QUERY_STRING="$T/daemon" expect-end
	adopt daemon "$(cat "$T/daemon")"
	has text/plain
	logged 'ends within the header'
}

@test "a script may close its output and go on" {
	start_wrapper
	ask timeout 8 get "$CGI/close-stdout.sh" QUERY_STRING="$T/worked" expect-text 'working on' \
		expect-end app=0
	vanished "$T/worked"
	eventually test -e "$T/worked"
}

@test "a slow client gets all of an answer whose script has long ended" {
	start_wrapper
	ask out 1 "$T/answer" request "$CGI/fill.pl" QUERY_STRING="$T/lines" CONTENT_LENGTH=0 \
		expect-text 000000 deaf wait 2200 listen expect-end app=0
	[ -s "$T/lines" ]
	[ "$(body_of "$T/answer" | wc -l)" = "$(cat "$T/lines")" ]
}

@test "a header that ends late finds room beside a client's full buffer" {
	start_wrapper
	script late.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\nX-Long: %030000d\n' 5
		sleep 20 &
		echo $! >"$QUERY_STRING"
	END
	ask timeout 20 out 1 "$T/1" out 2 "$T/2" \
		id 2 request "$T/late.sh" QUERY_STRING="$T/daemon" CONTENT_LENGTH=0 keep wait 100 \
		id 1 request "$CGI/stream.sh" QUERY_STRING=3 CONTENT_LENGTH=0 keep \
		expect-text 000000000000001 deaf wait 1500 listen expect-end app=0 id 2 expect-end
	adopt daemon "$(cat "$T/daemon")"
	body_of "$T/1" | cmp - <(mebibytes 3)
	grep -q X-Long "$T/2"
	stop wrapper
	[ "$STATUS" = 0 ]
}

# lines_said <LOG: the lines of 79 x, and those that were dropped because they came too fast.
lines_said() {
	awk '
		/xxxxxxxxxx/ { n++ }
		match($0, /[(][0-9]+ lines dropped/) { n += substr($0, RSTART + 1) }
		END { print n }
	'
}

@test "a script may say more on standard error than any pipe holds" {
	start_wrapper
	ask get "$CGI/flood-stderr.sh" expect-text 'said it all' expect-end app=0
	logged 'lines dropped'
	[ "$(lines_said <"$T/log")" = 20000 ]
}

@test "with -f a client gets all that a script says on standard error" {
	start_wrapper -f
	ask get "$CGI/flood-stderr.sh" QUERY_STRING=100 expect-text 'said it all' expect-end app=0
	[ "$(grep -o x <<<"$stderr" | wc -l)" = 7900 ]
	ask get "$CGI/flood-stderr.sh" expect-text 'said it all' expect-end app=0
	[ "$(sed 's/x(/x\n(/g; s/)x/)\nx/g; s/x\{79\}/&\n/g' <<<"$stderr" | lines_said)" = 20000 ]
	logged_times 0 .
}

# idle_with DESCRIPTORS: no script is left, not even as a zombie, and no descriptor either.
idle_with() {
	has_children "$(worker)" 0 && [ "$(descriptors "$(worker)")" = "$1" ]
}

@test "500 requests of every kind leave no descriptor and no process behind" {
	local before dialogue

	need_proc
	start_wrapper -c 1 --kill-after 500ms
	ask get "$CGI/hello.sh"
	eventually has_children "$(worker)" 0
	before=$(descriptors "$(worker)")
	for dialogue in "get $CGI/hello.sh keep get $CGI/echo" "post $CGI/echo text" \
		"get $CGI/crash.sh" "get $CGI/missing.sh" "get $CGI/bad-interpreter.sh" \
		"request $CGI/wait.sh keep CONTENT_LENGTH=0 expect-text waiting abort read" \
		"request $CGI/wait.sh CONTENT_LENGTH=0 expect-text waiting close" \
		"request $CGI/echo CONTENT_LENGTH=900000 stdin-zero 300000 close" \
		"request $CGI/echo CONTENT_LENGTH= stdin-zero 100000 close" \
		"request $CGI/wait.sh CONTENT_LENGTH=0 may-close raw nonsense expect-closed"; do
		# shellcheck disable=SC2086
		crowd 50 10 $dialogue
	done
	eventually idle_with "$before"
}

@test "what a client sends behind the end of a body is no part of it" {
	start_wrapper --max-scripts 1
	start_waiting first
	start_client second request "$CGI/echo" stdin one stdin-end stdin two expect-end
	sleep 0.3
	: >"$T/go"
	answered first
	await second
	[ "$(body_of "$T/second.out")" = one ]
}

@test "a long body is moved by the system, not read" {
	need strace
	[ -e "$FCGI_BUILD/wrapper/splice-linux.o" ] || skip 'built without splice'
	strace -o "$T/strace" true 2>/dev/null || skip 'strace may not trace here'
	TEST_WRAPPER="strace -I 2 -f -qq -e trace=splice -o $T/strace ${TEST_WRAPPER-}" start_wrapper -c 1
	# What comes before the script runs is kept on disk.
	ask request "$CGI/sum.sh" CONTENT_LENGTH=$((4 * MIB)) stdin-zero 1000 expect-text Content-Type \
		stdin-zero $((4 * MIB - 1000)) stdin-end expect-end
	has "bytes=$((4 * MIB))"
	grep -qE 'splice\(.* = [0-9]{3}' "$T/strace"
}

@test "over TCP the end of a response waits for no acknowledgement of what came before it" {
	need strace
	need_no_valgrind
	strace -o "$T/strace" true 2>/dev/null || skip 'strace may not trace here'
	SOCKET=tcp:127.0.0.1:$(free_port)
	start wrapper env ASAN_OPTIONS=detect_leaks=0 strace -I 2 -f -qq -o "$T/strace" -e trace=setsockopt \
		"$FCGIWRAP" -s "$SOCKET"
	eventually ask get "$CGI/hello.sh"
	grep -q 'TCP_NODELAY, \[1\], 4) = 0' "$T/strace"
}
