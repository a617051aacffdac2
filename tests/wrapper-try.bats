#!/usr/bin/env bats
# fcgiwrap --try: a script is run as a request would run it, and what happens is explained.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

# tries STATUS OPTION...: how it ends; $output is what the script answers, $stderr the explanation.
tries() {
	local wanted=$1

	shift
	status=0
	output=$(run_under "$FCGIWRAP" "$@" 2>"$T/explanation" 3>&-) || status=$?
	stderr=$(<"$T/explanation")
	[ "$status" = "$wanted" ] || { echo "status $status, not $wanted"; cat "$T/explanation"; return 1; }
}

# explains ABOUT TEXT: there is such a line. The text is a pattern.
explains() {
	local line about

	printf -v about '%-10s ' "$1"
	while IFS= read -r line; do
		# shellcheck disable=SC2053
		[[ $line != "$about"* || ${line#"$about"} != $2 ]] || return 0
	done <"$T/explanation"
	echo "no line: $about$2"
	cat "$T/explanation"
	return 1
}

explains_nothing() {
	not grep "^$1 " "$T/explanation"
}

# fails_with HTTP-STATUS LOG REMEDY OPTION...: a request would be answered so, with this line in the
# log, and this is what can be done.
fails_with() {
	local code=$1 log=$2 remedy=$3

	shift 3
	tries 1 "$@"
	explains status "$code *"
	explains log "$log"
	explains remedy "$remedy"
	[[ $output == "$code "* ]]
}

# says NAME TEXT: $T/NAME is a script that writes so.
says() {
	script "$1" <<<"#!/bin/sh"$'\n'"printf '$2'"
}

# As somebody who is not root.
unprivileged() {
	[ "$EUID" = 0 ] || return 0
	need setpriv
	chmod 777 "$T"
	TEST_WRAPPER="setpriv --reuid=65534 --regid=65534 --clear-groups ${TEST_WRAPPER-}"
	$TEST_WRAPPER test -x "$FCGIWRAP" || skip "others may not execute $FCGIWRAP"
}

# What is shown. --------------------------------------------------------------------------------

@test "the body goes to standard output, the explanation to standard error" {
	tries 0 --try "$CGI/hello.sh"
	[ "$output" = hello ]
	explains header 'Content-Type: text/plain'
	explains body '6 bytes'
	explains status '200 *'
}

@test "what was found is told: script, path info, directory, interpreter, process" {
	tries 0 --try "$CGI/hello.sh/a/b"
	explains script "$CGI/hello.sh"
	explains 'path info' /a/b
	explains directory "$CGI"
	explains 'run by' '/bin/sh (its first line)'
	explains start 'cold, process [0-9]*, after [0-9]* ms'
	explains end 'exited with status 0, after * ms; 0.0* s of processor time, * MiB of memory'
	explains time 'the first byte after * ms, the end after * ms'
}

@test "the user is told" {
	tries 0 --try "$CGI/hello.sh"
	explains 'run as' "user $(id -un) (uid $(id -u)), group $(id -gn) (gid $(id -g))*"
}

@test "a script behind a symbolic link, with a root, is told with both names" {
	mkdir "$T/real"
	cp "$CGI/where.sh" "$T/real"
	ln -s real "$T/link"
	tries 0 --root "$T/link" --try "$T/link/where.sh"
	explains script "$T/real/where.sh"
	explains called "$T/link/where.sh"
	explains directory "$T/real"
	has_line "directory=$T/real"
}

@test "an --interpreter is told" {
	tries 0 --interpreter .sh=/bin/sh --try "$CGI/no-x-bit.sh"
	explains 'run by' '/bin/sh (--interpreter)'
}

@test "limits are told" {
	tries 0 --limit cpu=5 --limit nofile=99 --nice 1 --timeout 2m --try "$CGI/hello.sh"
	explains limits '--limit cpu=5 --limit nofile=99 --nice 1 --timeout 120s'
}

@test "a warm start is told" {
	[ -e "$FCGI_BUILD/wrapper/warm.o" ] || skip 'built without warm starts'
	printf '#!/usr/bin/perl\nuse POSIX;\nprint "Content-Type: text/plain\\n\\nwarm\\n";\n' | script warm.pl
	tries 0 --warm /usr/bin/perl=POSIX --try "$T/warm.pl"
	explains start 'warm, from a template, process *'
	tries 0 --warm /usr/bin/perl=POSIX --try "$CGI/hello.sh"
	explains start 'cold, *'
}

@test "a template that cannot be had is told before the script runs cold" {
	[ -e "$FCGI_BUILD/wrapper/warm.o" ] || skip 'built without warm starts'
	tries 0 --warm /usr/bin/perl=No::Such --try "$CGI/hello.pl"
	explains log '--warm /usr/bin/perl=No::Such: the interpreter ended while it loaded the modules*'
	explains remedy 'Install the module, or leave it out.'
	explains start 'cold, *'
}

@test "what the script writes to standard error is shown as it would be logged" {
	says noisy 'Content-Type: text/plain\n\n'
	echo "printf 'one\\ntwo \\033[m\\nthree' >&2" >>"$T/noisy"
	tries 0 -f --try "$T/noisy"
	explains stderr one
	explains stderr 'two ?\[m'
	explains stderr three
}

@test "each line of the header that is mended is told, and how" {
	says mended 'HTTP/1.1 404 Not Found\nConnection: close\nX: a\n b\nX-CR: c\rd\n<!--: spam\nTransfer-Encoding: identity\nContent-Length: 1\nContent-Length: 1\nHTTP/1.1 200 OK\n\n.'
	tries 0 --try "$T/mended"
	explains mended 'HTTP/1.1 404 Not Found: sent as a Status'
	explains mended 'Connection: close: left out: it is about one connection*'
	explains mended ' b: joined to the line before it'
	explains mended 'X-CR: c[?]d: a carriage return in it is sent as a space'
	explains mended '<!--: spam: left out: no name of a field is before the colon'
	explains mended 'Transfer-Encoding: identity: left out: it says nothing'
	explains mended 'Content-Length: 1: left out: another one counts'
	explains mended 'HTTP/1.1 200 OK: left out: a status line must be the first'
	explains header 'Status: 404 Not Found'
	explains header 'X: a b'
	explains log '*: lines left out of its header: 3, the first is "<!--: spam"'
	explains remedy 'Correct the script: each line must be a name, a colon and a value, *'
}

@test "a Location without a Status, and lengths that contradict each other, are told" {
	says redirect 'Location: /x\nContent-Length: 1\nContent-Length: 2\n\n.'
	tries 0 --try "$T/redirect"
	explains mended 'Location: a Status of 302 Found is added to it'
	explains mended 'Content-Length: 1: left out: another one contradicts it'
	explains log '*: its Content-Length fields contradict each other'
	explains remedy 'Let the script write one.'
	explains status '302 Found'
}

# The request. ----------------------------------------------------------------------------------

@test "a script sees what it sees when it is served" {
	local same=(DOCUMENT_ROOT=/ SERVER_SOFTWARE=x HTTP_USER_AGENT=x REMOTE_USER=ada EMPTY=)

	start_wrapper --env MINE=1
	"$SPAWN_FCGI" --request "$T/s" "$CGI/env.sh/info?q=1" "${same[@]}" | sed 1,2d >"$T/served"
	tries 0 --env MINE=1 --try "$CGI/env.sh/info?q=1" "${same[@]}"
	[ "$(wc -l <"$T/served")" -gt 15 ]
	diff <(grep -vE '^(_|SHLVL)=' "$T/served") <(grep -vE '^(_|SHLVL)=' <<<"$output")
}

@test "NAME=VALUE adds to the parameters, and takes the place of others" {
	tries 0 --try "$CGI/env.sh?a" QUERY_STRING=b HTTP_X=1 HTTP_X=2 REMOTE_ADDR=192.0.2.1
	has_line QUERY_STRING=b HTTP_X=2 REMOTE_ADDR=192.0.2.1 REQUEST_METHOD=GET "DOCUMENT_ROOT=/" \
		"SCRIPT_NAME=$CGI/env.sh" "REQUEST_URI=$CGI/env.sh?b"
}

@test "below a --root, it is the document root, and URLs are below it" {
	tries 0 --root "$CGI" --try "$CGI/env.sh/info?q"
	has_line "DOCUMENT_ROOT=$CGI" SCRIPT_NAME=/env.sh PATH_INFO=/info "SCRIPT_FILENAME=$CGI/env.sh" \
		"PATH_TRANSLATED=$CGI/info" 'REQUEST_URI=/env.sh/info?q'
}

@test "a relative path is one below the working directory" {
	cd "$T"
	mkdir d
	cp "$CGI/env.sh" d
	tries 0 -p "$PWD/d/env.sh" --try ./d/././env.sh?./x
	has_line "SCRIPT_FILENAME=$PWD/d/env.sh" QUERY_STRING=./x
}

@test "refused parameters are told" {
	tries 0 --root "$CGI" --try "$CGI/env.sh" LD_PRELOAD=x
	explains log 'parameter LD_\* from a client refused*'
	lacks LD_PRELOAD
}

@test "standard input is the body only if one is asked for" {
	tries 0 --try "$CGI/echo" < <(echo not read)
	[ -z "$output" ]
	run bash -c "'$FCGIWRAP' --try '$CGI/echo' 2>/dev/null; cat" < <(echo left)
	[ "$output" = left ]
	tries 0 --try "$CGI/echo" REQUEST_METHOD=POST < <(echo body)
	[ "$output" = body ]
	tries 0 --try "$CGI/echo" CONTENT_LENGTH=3 < <(echo body)
	[ "$output" = bod ]
	echo file >"$T/body"
	tries 0 --try "$CGI/length.sh" REQUEST_METHOD=PUT <"$T/body"
	has 5
}

@test "a large body comes back as it was" {
	head -c 3000000 /dev/urandom >"$T/body"
	run_under "$FCGIWRAP" --try "$CGI/echo" REQUEST_METHOD=POST <"$T/body" 2>"$T/explanation" | cmp - "$T/body"
	explains body '3000000 bytes'
}

@test "no socket is made, and a server is not disturbed" {
	start_wrapper
	tries 0 -s "unix:$T/s" --try "$CGI/hello.sh"
	tries 0 -s "unix:$T/other" --socket-owner root --try "$CGI/hello.sh"
	vanished "$T/other"
	ask get "$CGI/hello.sh"
	[ ! -s "$T/log" ]
}

# The exit status. ------------------------------------------------------------------------------

@test "a script's response below 500 is good, even if the script fails afterwards" {
	tries 0 --try "$CGI/status.sh?404+Not+Found"
	explains status '404 Not Found'
	says late 'Content-Type: text/plain\n\n.'
	echo 'exit 3' >>"$T/late"
	tries 0 --try "$T/late"
	explains end 'exited with status 3, *'
}

@test "a script's response of 500 or above is not" {
	tries 1 --try "$CGI/status.sh?503+Busy"
	explains status '503 Busy'
	[ "$output" = 'status 503 Busy' ]
}

@test "wrong words are refused" {
	tries 1 --try "$CGI/hello.sh" word
	[ "$stderr" = 'fcgiwrap: --try wants NAME=VALUE behind the script, not "word"' ]
	tries 1 --try "$CGI/hello.sh" =x
	tries 1 --try "$CGI/hello.sh" CONTENT_LENGTH=x
	tries 1 --root /no/such --try "$CGI/hello.sh"
}

# What goes wrong, and the remedy. --------------------------------------------------------------

@test "a script that does not exist" {
	fails_with 404 "no such script: $T/none does not exist" \
		'The path is wrong: compare it with root and SCRIPT_FILENAME of the web server.' \
		--try "$T/none/x"
	fails_with 404 "no such script: $T/none does not exist" 'The path is wrong: *' -f --try "$T/none"
}

@test "a directory" {
	fails_with 403 "script $T: a directory, not a script" 'Name a file in it*' --try "$T"
}

@test "a directory that may not be searched" {
	unprivileged
	mkdir -m 700 "$T/closed"
	cp "$CGI/hello.sh" "$T/closed"
	[ "$EUID" = 0 ] || chmod 600 "$T/closed"
	fails_with 403 "script in $T/closed: this directory may not be searched by user *" \
		'Give the user of fcgiwrap the right to search it (chmod o+x).' --try "$T/closed/hello.sh"
	chmod 700 "$T/closed"
}

@test "a script that may not be executed" {
	fails_with 403 "script $CGI/no-x-bit.sh: may not be executed by user *" \
		'chmod +x, another user, or --interpreter for its suffix.' --try "$CGI/no-x-bit.sh"
}

@test "a script that its --interpreter may not read" {
	unprivileged
	echo >"$T/x.sh"
	chmod "$([ "$EUID" = 0 ] && echo 600 || echo 0)" "$T/x.sh"
	fails_with 403 "script $T/x.sh: may not be read by user *" \
		'The program of --interpreter has to read it: chmod +r, or another user.' \
		--interpreter .sh=/bin/sh --try "$T/x.sh"
}

@test "a script outside of every --root" {
	mkdir "$T/root"
	ln -s "$CGI/hello.sh" "$T/root"
	fails_with 404 "script $T/root/hello.sh: is $CGI/hello.sh, outside of every --root" \
		'Allow the place where it leads with another --root.' --root "$T/root" --try "$T/root/hello.sh"
	explains script "$CGI/hello.sh"
}

@test "a script that is none of -p" {
	fails_with 404 "script $CGI/hello.sh: not among the scripts allowed by -p" \
		'Allow it with another -p, letter by letter as it is here.' -p /x --try "$CGI/hello.sh"
}

@test "a directory that the web server chooses" {
	fails_with 403 "script $CGI/hello.sh: FCGI_CHDIR is not possible with --root or -p" \
		'The web server must not send it.' --root "$CGI" --try "$CGI/hello.sh" FCGI_CHDIR=/
	fails_with 403 "script $CGI/hello.sh: cannot change to its directory /no/such: *" \
		'The user of fcgiwrap must be able to search the directory in which the script runs.' \
		--try "$CGI/hello.sh" FCGI_CHDIR=/no/such
}

@test "a script without a first line" {
	fails_with 502 "cannot execute script $CGI/no-shebang: Exec format error *" \
		'A script needs a first line such as #!/bin/sh.' --try "$CGI/no-shebang"
}

@test "an interpreter that does not exist" {
	fails_with 502 "cannot execute script $CGI/bad-interpreter.sh: its interpreter * does not exist*" \
		'Install it, or correct the first line.' --try "$CGI/bad-interpreter.sh"
	explains 'run by' '/nonexistent/interpreter *'
}

@test "a first line of another system" {
	fails_with 502 "cannot execute script $CGI/crlf-shebang.sh: its first line ends in a carriage *" \
		'The file was written on another system: convert its line ends.' --try "$CGI/crlf-shebang.sh"
}

@test "an interpreter that may not be executed" {
	touch "$T/interpreter"
	printf '#!%s\n' "$T/interpreter" | script x
	fails_with 502 "cannot execute script $T/x: Permission denied (its interpreter is not exec*" \
		'The user of fcgiwrap must be able to execute the program of the first line.' --try "$T/x"
}

@test "a script that ends without a response" {
	printf '#!/bin/sh\necho wrong >&2\nexit 2\n' | script x
	fails_with 502 "script $T/x\[*\]: exited with status 2 after * s without a response; it said: wrong" \
		'Run it by hand, as the same user.' --try "$T/x"
	explains stderr wrong
	explains end 'exited with status 2, *'
}

@test "a script that is killed before its response" {
	fails_with 502 "script $CGI/crash.sh\[*\]: was killed by signal 11 (*) after * without a response*" \
		'Run it by hand, as the same user.' --try "$CGI/crash.sh"
	explains end 'was killed by signal 11 (Segmentation fault), *'
}

@test "a script that is killed in the middle of its response" {
	says x 'Content-Type: text/plain\n\npart\n'
	echo 'kill -9 $$' >>"$T/x"
	tries 1 --try "$T/x"
	[ "$output" = part ]
	explains log "script $T/x\[*\]: was killed by signal 9 (Killed) in the middle of its response"
	explains remedy 'Somebody killed it; for 9, perhaps the system for want of memory.'
	explains status 'the connection is cut*'
}

@test "a script that reaches a limit" {
	printf '#!/bin/sh\nwhile :; do :; done\n' | script busy
	fails_with 502 "script $T/busy\[*\]: was killed by signal 24 (*), the limit on CPU time, cpu after *" \
		'Let the script compute less, or raise --limit cpu.' --limit cpu=1 --try "$T/busy"
	explains end 'was killed by signal 24 (*), the limit on CPU time, cpu, after * ms; *'
	grep -qE '; (0\.[5-9]|1\.)[0-9]* s of processor time, [1-9][0-9]*\.[0-9] MiB of memory' "$T/explanation"
	printf '#!/bin/sh\nexec head -c 9999 /dev/zero >"%s"\n' "$T/large" | script large.sh
	fails_with 502 "script $T/large.sh\[*\]: was killed by signal 25 (*), the limit on the size of files*" \
		'Let the script write less, or raise --limit fsize.' --limit fsize=1k --try "$T/large.sh"
}

@test "a script that takes too long" {
	fails_with 504 "script $CGI/sleep.sh\[*\]: ended after 0.3* s (--timeout)" \
		'Make the script faster, or raise --timeout.' --timeout 300ms --try "$CGI/sleep.sh"
	explains end 'was killed by signal 15 (Terminated), *'
	fails_with 504 "script $CGI/sleep.sh\[*\]: ended after * without a byte * (--silence-timeout)" \
		'The script hangs, or computes for long without a word*' --silence-timeout 300ms \
		--try "$CGI/sleep.sh"
}

# header_fails LOG REMEDY TEXT
header_fails() {
	says x "$3"
	fails_with 502 "script $T/x\[*\]: $1" "$2" --try "$T/x"
}

@test "a header that is none" {
	header_fails 'it wrote "Hello" where a header line is due' \
		'A reply begins with a line such as Content-Type: text/plain, and an empty line.' 'Hello\n\n'
	header_fails 'its output begins with an empty line instead of a header' \
		'The header comes first: *' '\nHello\n'
	header_fails 'its header lines end in carriage returns alone' \
		'They must end in a newline, with or without a carriage return before it.' 'A: b\r\rc\n\n'
	header_fails 'it wrote "A: " and a NUL behind it in its header' \
		'A header is text: the script writes something else.' 'A: \000b\n\n'
	header_fails 'exited with status 0 after * within its header' \
		'The script ended before the empty line that ends a header.' 'A: b'
}

@test "a header that is longer than any" {
	printf '#!/bin/sh\nhead -c 300000 /dev/zero | tr "\\000" a\n' | script x
	fails_with 502 "script $T/x\[*\]: no empty line ends its header within 262144 bytes" \
		'An empty line must end the header, before the body.' --try "$T/x"
}

@test "a header that may do harm" {
	says x 'X: y\n\n'
	tries 0 --try "$T/x"
	explains log '*: its header has no Content-Type, Location or Status'
	explains remedy 'Let the script write a Content-Type.'
	says x 'Content-Type: text/plain\nTransfer-Encoding: chunked\n\n'
	tries 0 --try "$T/x"
	explains log '*: it has a Transfer-Encoding, *'
	explains remedy 'Let the script write its body as it is.'
	says x 'Content-Type: text/plain\n'
	tries 0 --try "$T/x"
	explains log '*: its output ends within the header'
	explains remedy 'If the script has no body, let it write the empty line that ends a header.'
}

@test "a body that is too large, or too short" {
	fails_with 413 '* request body of 5 bytes refused (--max-body is 4)' 'Send less, or raise --max-body, *' \
		--max-body 4 --try "$CGI/echo" REQUEST_METHOD=POST < <(echo 1234)
	fails_with 431 '* more than 1024 bytes of parameters (--max-params)' 'Send less, or raise --max-params.' \
		--max-params 1k --try "$CGI/echo" HTTP_X="$(printf '%02000d' 0)"
}

# What goes on. ---------------------------------------------------------------------------------

@test "a script that works on after its response is waited for" {
	tries 0 --try "$CGI/close-stdout.sh?$T/finished"
	[ -e "$T/finished" ]
	[ "$output" = 'working on' ]
	explains background 'processes of the script go on *'
	explains end 'exited with status 0, after 1*'
}

@test "a script that works on for too long is ended" {
	says x 'Content-Type: text/plain\n\n'
	echo 'exec >/dev/null 2>&1; sleep 60' >>"$T/x"
	tries 0 --background-timeout 500ms --try "$T/x"
	explains log 'process * is still at work 0.5 s after its request; ending it'
	explains remedy 'Let the script end sooner, or raise --background-timeout.'
	explains end 'was killed by signal 15 (Terminated), *'
}

# A try in the background, when its script waits; $SCRIPT is its process.
start_try() {
	start try run_under "$FCGIWRAP" --try "$CGI/wait.sh?$T/go"
	in_file '^waiting pid=' "$T/try.out"
	SCRIPT=$(sed -n 's/^waiting pid=//p' "$T/try.out")
}

@test "who is interrupted ends the script" {
	start_try
	kill -INT "$(pid_of try)"
	await try
	[ "$STATUS" = 130 ]
	eventually gone "$SCRIPT"
	has_match '^end .*was killed by signal 15' "$T/try.log"
}

@test "who is interrupted ends a script that works on after its response" {
	script x <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\n%s\n' $$
		exec sleep 60 >/dev/null 2>&1
	END
	start try run_under "$FCGIWRAP" --try "$T/x"
	in_file '^background' "$T/try.log"
	SCRIPT=$(<"$T/try.out")
	kill -TERM "$(pid_of try)"
	await try
	[ "$STATUS" = 143 ]
	gone "$SCRIPT"
}

@test "who is killed leaves nothing behind" {
	start_try
	find_children "$(pid_of try)"
	kill -KILL "$(pid_of try)"
	await try
	eventually gone "$SCRIPT"
	eventually gone "${children[0]}"
}

@test "who reads no further is a client that leaves" {
	printf '#!/bin/sh\nprintf "Content-Type: text/plain\\n\\n"; exec yes\n' | script endless
	run_under "$FCGIWRAP" --try "$T/endless" 2>"$T/explanation" 3>&- | head -c 100000 >/dev/null
	explains end 'was killed by signal *'
	grep -q 'cannot write the response to standard output: Broken pipe' "$T/explanation"
}
