#!/usr/bin/env bats
# Scripts on rough ground: that end early, work on late, write nonsense, leave things behind, lead
# their own session, or look where they should not.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

# Work after a whole response. ------------------------------------------------------------------

# make_committer HEADER [BODY]: $T/commit.pl responds so, works on until there is a file $T/go, and
# leaves $T/finished, or $T/term if it hears TERM.
make_committer() {
	script commit.pl <<-END
		#!/usr/bin/perl
		\$SIG{TERM} = sub { open my \$f, '>', '$T/term'; exit };
		\$| = 1;
		print "$1\n", "${2-}";
		open my \$f, '>', '$T/sent'; close \$f;
		select undef, undef, undef, 0.02 until -e '$T/go';
		open \$f, '>', '$T/finished';
	END
}

# Closes when all has come, as nginx does with buffering off; the script goes on. A second request
# shows that the close was seen.
commits() {
	ask request "$T/commit.pl" CONTENT_LENGTH=0 "$@" close
	ask get "$CGI/hello.sh"
	sleep 0.3
	vanished "$T/term"
	: >"$T/go"
	eventually test -e "$T/finished"
	[ ! -s "$T/log" ]
}

@test "a script whose response has reached its Content-Length works on when the client closes" {
	make_committer 'Content-Type: text/plain\nContent-Length: 3\n' 'hi\n'
	start_wrapper -c 1
	commits stdin-end expect-text 'hi\n'
}

@test "a script works on after 204 when the client closes" {
	make_committer 'Status: 204 No Content\n'
	start_wrapper -c 1
	commits stdin-end expect-text 'Status: 204 No Content\r\n\r\n'
}

@test "a script works on after 304 when the client closes" {
	make_committer 'Status: 304 Not Modified\n'
	start_wrapper -c 1
	commits stdin-end expect-text 'Status: 304 Not Modified\r\n\r\n'
}

@test "a script works on after the header for HEAD when the client closes" {
	make_committer 'Content-Type: text/plain\n'
	start_wrapper -c 1
	commits REQUEST_METHOD=HEAD stdin-end expect-text '\r\n\r\n'
}

@test "a script works on after a whole response when the client sends ABORT" {
	make_committer 'Content-Type: text/plain\nContent-Length: 3\n' 'hi\n'
	start_wrapper -c 1
	commits keep stdin-end expect-text 'hi\n' abort expect-end
}

@test "a script that has closed its output after a whole response works on when the client closes" {
	script commit.pl <<-END
		#!/usr/bin/perl
		\$SIG{TERM} = sub { open my \$f, '>', '$T/term'; exit };
		\$| = 1;
		print "Content-Type: text/plain\nContent-Length: 3\n\nhi\n";
		close STDOUT;
		close STDERR;
		select undef, undef, undef, 0.02 until -e '$T/go';
		open my \$f, '>', '$T/finished';
	END
	start_wrapper -c 1
	commits stdin-end expect-text 'hi\n'
}

@test "a script that lacks a byte of its Content-Length hears TERM when the client closes" {
	make_committer 'Content-Type: text/plain\nContent-Length: 4\n' 'hi\n'
	start_wrapper -c 1
	ask request "$T/commit.pl" CONTENT_LENGTH=0 expect-text 'hi\n' close
	eventually test -e "$T/term"
}

@test "a script does not finish when the client closes before it has the whole response" {
	script long.pl <<-END
		#!/usr/bin/perl
		open my \$f, '>', '$T/pid'; print \$f \$\$; close \$f;
		\$SIG{PIPE} = 'IGNORE';
		print "Content-Type: text/plain\nContent-Length: 5000000\n\n", 'x' x 5000000;
		select undef, undef, undef, 0.02 until -e '$T/go';
		open \$f, '>', '$T/finished';
	END
	start_wrapper -c 1
	ask request "$T/long.pl" CONTENT_LENGTH=0 read-some 100000 close
	eventually gone "$(cat "$T/pid")"
	vanished "$T/finished"
}

@test "work after a whole response is bounded by --background-timeout, and by nothing else" {
	make_committer 'Content-Type: text/plain\nContent-Length: 3\n' 'hi\n'
	start_wrapper -c 1 --background-timeout 1s --timeout 300ms
	ask request "$T/commit.pl" CONTENT_LENGTH=0 expect-text 'hi\n' close
	sleep 0.6
	vanished "$T/term"
	eventually test -e "$T/term"
	vanished "$T/finished"
}

# goes_on_behind_nginx CURL-OPTION...: with buffering off nginx closes as soon as it has all.
goes_on_behind_nginx() {
	start_wrapper -c 1
	start_nginx <<-'END'
		location / {
			include fastcgi_params;
			fastcgi_param SCRIPT_FILENAME @T@$fastcgi_script_name;
			fastcgi_buffering off;
			fastcgi_pass unix:@SOCKET@;
		}
	END
	curl_ -o /dev/null "$@" "$URL/commit.pl"
	curl_ -o /dev/null "$URL/no-such"
	sleep 0.3
	vanished "$T/term"
	: >"$T/go"
	eventually test -e "$T/finished"
}

@test "nginx without buffering: work after a response with Content-Length goes on" {
	make_committer 'Content-Type: text/plain\nContent-Length: 3\n' 'hi\n'
	goes_on_behind_nginx
}

@test "nginx without buffering: work after 204 goes on" {
	make_committer 'Status: 204 No Content\n'
	goes_on_behind_nginx
}

@test "nginx without buffering: work after 304 goes on" {
	make_committer 'Status: 304 Not Modified\n'
	goes_on_behind_nginx
}

@test "nginx without buffering: work after a response to HEAD goes on" {
	make_committer 'Content-Type: text/plain\n'
	goes_on_behind_nginx -I
}

# Responses that are no responses. --------------------------------------------------------------

@test "a script that is killed in the midst of its header is answered for with 502" {
	script killed.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\nSet-Cookie: session=abcdef'
		kill -9 $$
	END
	start_wrapper
	ask get "$T/killed.sh" expect-end app=137
	has 'Status: 502 '
	lacks session
	logged 'killed\.sh.*signal 9'
}

@test "a script that is killed after whole lines of its header is answered for with 502" {
	script killed.sh <<-'END'
		#!/bin/sh
		printf 'Location: http://localhost/\nX-A: 1\n'
		kill -9 $$
	END
	start_wrapper
	ask get "$T/killed.sh" expect-end app=137
	has 'Status: 502 '
	lacks Location
}

@test "a script that fails in the midst of its header is answered for with 502" {
	script failing.pl <<-'END'
		#!/usr/bin/perl
		print "Content-Type: text/plain\nX-A: 1\n";
		$! = 3;
		die "no more\n";
	END
	start_wrapper
	ask get "$T/failing.pl" expect-end app=3
	has 'Status: 502 '
	logged 'failing\.pl.*status 3'
}

@test "a header that ends within a line is answered for with 502, although the script exits with 0" {
	script cut.sh <<-'END'
		#!/bin/sh
		printf 'Location: http://localhost/adm'
	END
	start_wrapper
	ask get "$T/cut.sh"
	has 'Status: 502 '
	lacks Location
}

@test "a header of whole lines needs no empty line if the script exits with 0" {
	script echo.sh <<-'END'
		#!/bin/sh
		echo 'Location: http://localhost/admin'
	END
	start_wrapper
	ask get "$T/echo.sh" expect-end app=0
	has 'Status: 302 ' 'Location: http://localhost/admin'
}

@test "a line with a colon that is no field is dropped and logged, and the rest is served" {
	script spam.sh <<-'END'
		#!/bin/sh
		printf '%s\n' '<!--: spam' 'Content-Type: text/html' '' '' '<body>traceback</body>'
	END
	start_wrapper
	ask get "$T/spam.sh" expect-end app=0
	has 'Content-Type: text/html' '<body>traceback</body>'
	lacks 'Status: 502' '<!--'
	logged 'spam\.sh.*<!--'
}

@test "the traceback of Python's cgitb is served" {
	need python3
	python3 -W ignore -c 'import cgitb' 2>/dev/null || skip 'no cgitb here'
	script trace.py <<-'END'
		#!/usr/bin/env -S python3 -W ignore
		import cgitb
		cgitb.enable()
		unknown
	END
	start_wrapper
	ask get "$T/trace.py"
	has NameError 'Content-Type: text/html'
	lacks 'Status: 502'
}

# ends_endless SCRIPT STEP...: 502 at once, and the script does not run on.
ends_endless() {
	local script=$1

	shift
	ask get "$T/$script" "$@"
	has 'Status: 502 '
	eventually -t 5 gone "$(cat "$T/pid")"
	eventually has_children "$(worker)" 0
}

@test "a script whose endless output has no header is terminated" {
	script yes.sh <<-END
		#!/bin/sh
		echo \$\$ >$T/pid
		exec yes 'no header here'
	END
	start_wrapper -c 1 --kill-after 1
	ends_endless yes.sh
}

@test "a script whose endless output has no header is terminated although it ignores TERM" {
	script yes.sh <<-END
		#!/bin/sh
		trap '' TERM
		echo \$\$ >$T/pid
		exec yes 'no header here'
	END
	start_wrapper -c 1 --kill-after 300ms
	ends_endless yes.sh
}

@test "a script whose header does not end is terminated" {
	script fields.sh <<-END
		#!/bin/sh
		echo \$\$ >$T/pid
		exec yes 'X-Field: value'
	END
	start_wrapper -c 1 --kill-after 1
	ends_endless fields.sh
}

@test "scripts without a header use up no slots" {
	local i

	script yes.sh <<-END
		#!/bin/sh
		echo \$\$ >$T/pid
		exec yes 'no header here'
	END
	start_wrapper -c 1 --max-scripts 2 --max-background 2 --queue-timeout 5
	for i in 1 2 3 4 5; do
		ask get "$T/yes.sh"
		has 'Status: 502 '
	done
	ask get "$CGI/hello.sh"
	has_line hello
}

@test "a script that is killed after a part of its response takes the connection with it" {
	script part.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\npart\n'
		kill -9 $$
	END
	start_wrapper
	ask trace "$T/trace" request "$T/part.sh" CONTENT_LENGTH=0 expect-text part expect-closed
	not grep END_REQUEST "$T/trace"
	logged 'part\.sh.*signal 9'
}

@test "a script that exits with an error after its response is taken by its word" {
	script error.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nall\n'
		exit 3
	END
	start_wrapper
	ask get "$T/error.sh" expect-end app=3
	has_line all
}

# Sessions and groups. --------------------------------------------------------------------------

# leads NAME <<TEXT: a script that becomes a leader responds, and is ended by an ABORT together
# with a child of its own.
leads() {
	local pids pid

	script "$1"
	start_wrapper --kill-after 500ms
	ask request "$T/$1" CONTENT_LENGTH=0 expect-text 'child=' abort expect-end
	pids=$(sed -n 's/^[a-z]*=\([0-9][0-9]*\)$/\1/p' <<<"$output")
	[ "$(wc -w <<<"$pids")" = 2 ]
	for pid in $pids; do
		eventually gone "$pid"
	done
}

@test "a script in Perl may call setsid, and is ended with its child" {
	leads leader.pl <<-'END'
		#!/usr/bin/perl
		use POSIX;
		POSIX::setsid() >= 0 or die "setsid: $!\n";
		my $child = fork // die;
		exec 'sleep', 60 unless $child;
		$| = 1;
		print "Content-Type: text/plain\n\nself=$$\nchild=$child\n";
		sleep 60;
	END
}

@test "a script in Perl may call setpgrp, and is ended with its child" {
	leads leader.pl <<-'END'
		#!/usr/bin/perl
		setpgrp(0, 0) or die "setpgrp: $!\n";
		my $child = fork // die;
		exec 'sleep', 60 unless $child;
		$| = 1;
		print "Content-Type: text/plain\n\nself=$$\nchild=$child\n";
		sleep 60;
	END
}

@test "a script in Python may call setsid" {
	need python3
	script leader.py <<-'END'
		#!/usr/bin/env python3
		import os
		os.setsid()
		print("Content-Type: text/plain\n\nleader")
	END
	start_wrapper
	ask get "$T/leader.py" expect-end app=0
	has_line leader
}

@test "a script in Python may call setpgrp" {
	need python3
	script leader.py <<-'END'
		#!/usr/bin/env python3
		import os
		os.setpgrp()
		print("Content-Type: text/plain\n\nleader")
	END
	start_wrapper
	ask get "$T/leader.py" expect-end app=0
	has_line leader
}

@test "a script that leads its own session is ended by --timeout with its child" {
	local pid

	script leader.pl <<-'END'
		#!/usr/bin/perl
		use POSIX;
		POSIX::setsid() >= 0 or die "setsid: $!\n";
		my $child = fork // die;
		exec 'sleep', 60 unless $child;
		$| = 1;
		print "Content-Type: text/plain\n\nself=$$\nchild=$child\n";
		sleep 60;
	END
	start_wrapper --timeout 300ms --kill-after 300ms
	ask request "$T/leader.pl" CONTENT_LENGTH=0 expect-text child= expect-closed
	for pid in $(sed -n 's/^[a-z]*=\([0-9][0-9]*\)$/\1/p' <<<"$output"); do
		eventually gone "$pid"
	done
}

# What scripts leave behind. --------------------------------------------------------------------

make_leaver() {
	script leave.sh <<-END
		#!/bin/sh
		sleep 60 </dev/null >/dev/null 2>&1 &
		echo \$! >>$T/left
		printf 'Content-Type: text/plain\n\nleft\n'
	END
}

# left_alive MOST: at most so many of what was left run.
left_alive() {
	local count=0 pid

	while read -r pid; do
		gone "$pid" || count=$((count + 1))
	done <"$T/left"
	[ "$count" -le "$1" ]
}

@test "what a script leaves behind when it exits is ended after --background-timeout" {
	make_leaver
	start_wrapper -c 1 --background-timeout 10s
	crowd 5 1 get "$T/leave.sh" expect-text left expect-end app=0
	left_alive 5
	not left_alive 4
	eventually -t 30 left_alive 0
}

@test "what scripts leave behind is counted by --max-background" {
	local i

	make_leaver
	start_wrapper -c 1 --max-scripts 1 --queue 0 --max-background 1
	for i in 1 2 3 4 5; do
		run --separate-stderr talk get "$T/leave.sh"
	done
	eventually -t 3 left_alive 2
}

@test "what a script leaves behind is ended when fcgiwrap stops" {
	make_leaver
	start_wrapper -c 1 --stop-timeout 500ms --kill-after 500ms
	ask get "$T/leave.sh"
	not left_alive 0
	kill -TERM "$(pid_of wrapper)"
	await wrapper
	eventually -t 3 left_alive 0
}

# What a script finds. --------------------------------------------------------------------------

@test "descriptor 0 of a script without a body is /dev/null, for reading only, and its own" {
	need_proc
	script null.pl <<-'END'
		#!/usr/bin/perl
		use Fcntl;
		my $flags = fcntl STDIN, F_GETFL, 0;
		printf "Content-Type: text/plain\n\n%s access=%d nonblock=%d\n", readlink '/proc/self/fd/0',
			$flags & O_ACCMODE, $flags & O_NONBLOCK ? 1 : 0;
		fcntl STDIN, F_SETFL, $flags | O_NONBLOCK;
	END
	start_wrapper -c 1
	ask get "$T/null.pl"
	has_line '/dev/null access=0 nonblock=0'
	ask get "$T/null.pl"
	has_line '/dev/null access=0 nonblock=0'
}

@test "a script that runs as the same user cannot look into the process that serves" {
	grep -q prctl "$FCGIWRAP" && not is_sanitized || skip 'this build leaves its memory open'
	need_proc
	script look.pl <<-'END'
		#!/usr/bin/perl
		my $parent = getppid;
		print "Content-Type: text/plain\n\n";
		for my $what ('mem', 'environ', 'maps') {
			print "$what ", open(my $f, '<', "/proc/$parent/$what") ? "open\n" : "shut\n";
		}
		print 'fd ', (opendir(my $d, "/proc/$parent/fd") ? "open\n" : "shut\n");
		print "own ", open(my $f, '<', "/proc/$$/mem") ? "open\n" : "shut\n";
	END
	start_unprivileged -c 1
	ask get "$T/look.pl" REMOTE_ADDR=10.1.2.3
	has_line 'mem shut' 'environ shut' 'maps shut' 'fd shut' 'own open'
}

# Bodies. ---------------------------------------------------------------------------------------

@test "a script that has answered and closed its output still gets all of the body" {
	script later.sh <<-END
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nanswered\n'
		exec >/dev/null 2>&1
		until [ -e $T/go ]; do sleep 0.02; done
		cat >$T/up.tmp && mv $T/up.tmp $T/up
	END
	start_wrapper -c 1
	start_client client trace "$T/trace" request "$T/later.sh" CONTENT_LENGTH=1000000 keep \
		stdin-zero 1000000 stdin-end expect-text answered expect-end await "$T/up"
	in_file END_REQUEST "$T/trace"
	: >"$T/go"
	eventually test -e "$T/up"
	[ "$(wc -c <"$T/up")" = 1000000 ]
}

# An upload that is renamed only when it is complete, by a script that does not heed TERM.
make_stubborn_upload() {
	script upload.sh <<-END
		#!/bin/sh
		trap '' TERM
		echo \$\$ >$T/pid
		until [ -e $T/go ]; do sleep 0.02; done
		cat >$T/up.tmp && mv $T/up.tmp $T/up
		printf 'Content-Type: text/plain\n\nstored\n'
	END
}

@test "--on-abort ignore: a body that was sent in full is whole for the script although the client left" {
	local size

	make_stubborn_upload
	start_wrapper -c 1 --on-abort ignore
	for size in 300000 3000000; do
		rm -f "$T/go" "$T/up" "$T/pid"
		ask request "$T/upload.sh" CONTENT_LENGTH=$size stdin-zero $size stdin-end await "$T/pid" \
			close
		ask get "$CGI/hello.sh"
		: >"$T/go"
		eventually test -e "$T/up"
		[ "$(wc -c <"$T/up")" = $size ]
	done
}

# is_never_whole: the script ends, and has not taken the part for the whole.
is_never_whole() {
	: >"$T/go"
	eventually gone "$(cat "$T/pid")"
	vanished "$T/up"
}

@test "--on-abort ignore: a part of a body is not taken for the whole when the client leaves" {
	make_stubborn_upload
	start_wrapper -c 1 --on-abort ignore --kill-after 500ms
	ask request "$T/upload.sh" CONTENT_LENGTH=1000 stdin-zero 500 await "$T/pid" close
	is_never_whole
}

@test "a part of a body is not taken for the whole when the client leaves" {
	make_stubborn_upload
	start_wrapper -c 1 --kill-after 500ms
	ask request "$T/upload.sh" CONTENT_LENGTH=100000 stdin-zero 50008 await "$T/pid" close
	is_never_whole
}

@test "a part of a body is not taken for the whole after an ABORT" {
	make_stubborn_upload
	start_wrapper -c 1 --kill-after 500ms
	ask request "$T/upload.sh" CONTENT_LENGTH=100000 keep stdin-zero 50008 await "$T/pid" abort \
		expect-end
	is_never_whole
}

@test "a part of a body is not taken for the whole after --timeout" {
	make_stubborn_upload
	start_wrapper -c 1 --timeout 300ms --kill-after 500ms
	ask request "$T/upload.sh" CONTENT_LENGTH=100000 stdin-zero 50008 await "$T/pid" \
		expect-text 'Status: 504 '
	is_never_whole
}

@test "a part of a body is not taken for the whole after --client-timeout" {
	make_stubborn_upload
	start_wrapper -c 1 --client-timeout 300ms --kill-after 500ms
	ask request "$T/upload.sh" CONTENT_LENGTH=100000 stdin-zero 50008 await "$T/pid" \
		expect-text 'Status: 408 '
	is_never_whole
}
