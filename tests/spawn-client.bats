#!/usr/bin/env bats
# spawn-fcgi as a client: --ping and --request, what they say of whom, and that they never hang.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

OK='out=Content-Type: text/plain\n\nhello\n'

# odd STEP...: the odd server, at $S; see there.
odd() {
	need perl
	start odd perl "$FCGI_SOURCE/tests/odd-server.pl" "${ODD_AT:-$S}" "$@"
	eventually has_match listening "$T/odd.out"
}

# client STATUS OPTION...: how spawn-fcgi ends; it sets $output and $stderr. A time-out is over within
# a few seconds, however slow this machine is.
client() {
	local wanted=$1 begun=$SECONDS

	shift
	capture run_under "$SPAWN_FCGI" "$@"
	[ "$status" = "$wanted" ] || { echo "status $status, not $wanted"; return 1; }
	[ $((SECONDS - begun)) -lt 10 ]
}

# capture COMMAND...: sets $status, $output and $stderr, as that of spawn.bash, with fewer processes.
capture() {
	status=0
	output=$("$@" 2>"$T/stderr.log" 3>&-) || status=$?
	stderr=$(<"$T/stderr.log")
}

# silent STATUS OPTION...: and says nothing at all.
silent() {
	client "$@" && [ -z "$output$stderr" ]
}

# one_line TEXT: what was said is a line with this in it.
one_line() {
	[ "$(wc -l <<<"$stderr")" = 1 ] && [[ $stderr == "spawn-fcgi: "*"$1"* ]]
}

@test "--ping: a program that answers is told by status 0, and nothing else" {
	odd read "$OK" end
	silent 0 --ping "$S"
}

@test "--ping asks for /ping, by both names that programs look at" {
	SOCKET=unix:$S
	start_wrapper
	client 0 --request "$S" "$CGI/env.sh"
	[[ $output == *$'\n'"SCRIPT_FILENAME=$CGI/env.sh"$'\n'"SCRIPT_NAME=$CGI/env.sh"$'\n'* ]]
	silent 0 --ping "$S"
	has_match 'no such script: /ping ' "$T/log"
	silent 0 --ping "$S" /alive HTTP_HOST=example.org
	has_match 'no such script: /alive ' "$T/log"
}

@test "a response below 500 is good, one of 500 or above is not" {
	SOCKET=unix:$S
	start_wrapper
	silent 0 --ping "$S" "$CGI/status.sh?404+Not+Found"
	silent 0 --ping "$S" "$CGI/status.sh?499+Gone"
	client 1 --ping "$S" "$CGI/status.sh?500+Oh"
	one_line "unix:$S answers 500 Oh (--request shows the response)"
	client 1 --request "$S" "$CGI/status.sh?503+Busy"
	one_line "unix:$S answers 503 Busy"
	[[ $output == "Status: 503 Busy"*"status 503 Busy" ]]
}

@test "the response is printed as it was written, and FCGI_STDERR on standard error" {
	odd read "err=oh\n" "$OK" "err=no" out= err= end
	client 0 --request "$S" /x
	[ "$output" = $'Content-Type: text/plain\n\nhello' ]
	[ "$(cat "$T/stderr.log"; echo .)" = $'oh\nno\n.' ] # a line has an end, be it ours
}

@test "--request: the parameters of web servers, and those of the command line over these" {
	SOCKET=unix:$S
	start_wrapper
	client 0 --request "$S" "$CGI/env.sh?a=b&c" HTTP_HOST=example.org HTTP_X=1 HTTP_X=2=2 EMPTY=
	local line

	for line in 'QUERY_STRING=a=b&c' "SCRIPT_NAME=$CGI/env.sh" "REQUEST_URI=$CGI/env.sh?a=b&c" \
		REQUEST_METHOD=GET SERVER_PROTOCOL=HTTP/1.1 GATEWAY_INTERFACE=CGI/1.1 \
		REMOTE_ADDR=127.0.0.1 HTTP_HOST=example.org HTTP_X=2=2 EMPTY=; do
		grep -qxF "$line" <<<"$output" || { echo "$line"; false; }
	done
	[ "$(grep -c ^HTTP_X= <<<"$output")" = 1 ]
	not grep -q ^CONTENT_LENGTH= <<<"$output"
	client 0 --request "$S" "$CGI/env.sh" QUERY_STRING=q=1
	grep -qxF "REQUEST_URI=$CGI/env.sh?q=1" <<<"$output"
}

@test "--request: parameters of many records" {
	local i value pairs=()

	printf -v value '%040000d' 0
	for i in 1 2 3 4; do pairs+=("HTTP_L$i=$value$i"); done
	printf -v value '%0100000d' 7 # more than a record holds
	SOCKET=unix:$S
	start_wrapper --max-params 1m
	client 0 --request "$S" "$CGI/env.sh" "${pairs[@]}" "HTTP_LONG=$value"
	for i in "${pairs[@]}" "HTTP_LONG=$value"; do
		[[ $output == *$'\n'"$i"$'\n'* ]]
	done
}

@test "a program of PHP: a script, its body, its status, and a ping" {
	need_php
	start php php-cgi -b "$S"
	eventually is_live "$S"
	silent 0 --ping "$S"
	echo '<?php echo $_GET["q"], file_get_contents("php://input"); http_response_code(418);' >"$T/x.php"
	client 0 --request "$S" "$T/x.php?q=1" REQUEST_METHOD=POST < <(echo body)
	[[ $output == "Status: 418"*$'\n1body' ]]
}

@test "a program of FCGI.pm" {
	need_app
	supervise -s "$S" -- "$APP"
	silent 0 --ping "$S"
	client 0 --request "$S" '/x?ms=1'
	[[ $output == *"pid "* ]]
}

@test "a port, IPv4 and IPv6" {
	ODD_AT=$(free_port)
	odd read "$OK" end
	silent 0 --ping "127.0.0.1:$ODD_AT"
	client 2 --ping "[::1]:$ODD_AT"
	[[ $stderr == *"tcp6:[::1]:$ODD_AT"* ]]
}

@test "no user's rights, no other option: it runs for anybody" {
	odd read "$OK" end
	[ "$EUID" != 0 ] || chmod 777 "$S"
	RUN_BY=
	spawn_as_other --ping "$S"
	[ "$status" = 0 ]
	[ -z "$stderr" ]
}

# Bodies.

@test "standard input is not read unless a body is asked for" {
	odd read 'out=\n' count end
	mkfifo "$T/fifo"
	client 0 --request "$S" /x <>"$T/fifo" # somebody could still write
	[ "$output" = $'\n0' ]
	exec 7< <(echo next)
	client 0 --request "$S" /x <&7
	[ "$(cat <&7)" = next ]
}

@test "REQUEST_METHOD=POST sends a file, or what is left of it" {
	odd read 'out=\n' count end
	printf 12345 >"$T/body"
	client 0 --request "$S" /x REQUEST_METHOD=POST <"$T/body"
	[ "$output" = $'\n5' ]
	exec 7<"$T/body"
	dd bs=1 count=2 <&7 of=/dev/null 2>"$T/dd.log"
	client 0 --request "$S" /x REQUEST_METHOD=PUT <&7
	[ "$output" = $'\n3' ]
}

@test "REQUEST_METHOD=POST sends what a pipe has, and its length" {
	SOCKET=unix:$S
	start_wrapper
	client 0 --request "$S" "$CGI/length.sh" REQUEST_METHOD=POST < <(printf 'a\nbc')
	echo "$output"
	[[ $output == *4* ]]
}

@test "POST with a closed standard input, or one without a byte, is an empty body" {
	odd read 'out=\n' count end
	closed() { "$@" <&-; }
	capture closed "$SPAWN_FCGI" --request "$S" /x REQUEST_METHOD=POST
	[ "$status" = 0 ]
	[ "$output" = $'\n0' ]
	client 0 --request "$S" /x REQUEST_METHOD=POST </dev/null
	[ "$output" = $'\n0' ]
}

@test "CONTENT_LENGTH sends so many bytes, and waits for no end" {
	odd read 'out=\n' count end
	mkfifo "$T/fifo"
	exec 7<>"$T/fifo"
	printf 1234567 >&7
	client 0 --request "$S" /x CONTENT_LENGTH=5 <&7
	[ "$output" = $'\n5' ]
}

@test "a body that does not come in time, or ends too soon" {
	odd read "$OK" end
	mkfifo "$T/fifo"
	client 3 --timeout 0.2 --request "$S" /x REQUEST_METHOD=POST <>"$T/fifo"
	one_line 'the body did not end on standard input within 0.2 s'
	client 3 --timeout 0.2 --request "$S" /x CONTENT_LENGTH=1 <>"$T/fifo"
	one_line "the body for unix:$S did not come from standard input within 0.2 s"
	client 255 --request "$S" /x CONTENT_LENGTH=9 <<<abc
	one_line 'standard input ends 5 bytes before the end of the body'
	client 255 --request "$S" /x CONTENT_LENGTH=9k </dev/null
	one_line 'CONTENT_LENGTH wants a number of bytes, not "9k"'
}

@test "a large body and a large response at once: nobody waits for the other" {
	odd out='\n' big=3000000 read count out= end
	head -c 3000000 /dev/zero >"$T/body"
	client 0 --timeout 30 --request "$S" /x REQUEST_METHOD=POST <"$T/body"
	[ ${#output} = 3000008 ] # a line end, and the number
	[[ $output == *b3000000 ]]
}

@test "a program that answers without the body" {
	odd "$OK" end hold next "$OK" end # and closes
	head -c 3000000 /dev/zero >"$T/body"
	silent 0 --ping "$S" REQUEST_METHOD=POST <"$T/body"
	silent 0 --ping "$S" REQUEST_METHOD=POST <"$T/body"
}

# Records.

@test "records byte by byte, with padding, and FCGI_STDERR between" {
	odd read pad=7 bytes 'out=Content-Ty' err=e 'out=pe: text/plain\r' 'out=\n\r\nhello\n' \
		err=f out= end
	client 0 --request "$S" /x
	[ "$output" = $'Content-Type: text/plain\r\n\r\nhello' ]
	[ "$stderr" = ef ]
}

@test "a program that leaves the connection open, or says more about itself" {
	odd read "$OK" end hold next read 'record=10,0,' 'record=11,0,\x09\x00\x00\x00\x00\x00\x00\x00' "$OK" end
	silent 0 --timeout 3 --ping "$S"
	silent 0 --ping "$S"
}

@test "an end without a response, and refusals such as FCGI_OVERLOADED" {
	odd read end next read end=2 next read "$OK" end=3
	client 1 --ping "$S"
	one_line "unix:$S has ended the request without a response"
	client 1 --ping "$S"
	one_line "unix:$S refuses the request: FCGI_OVERLOADED"
	client 1 --ping "$S"
	one_line "unix:$S refuses the request: FCGI_UNKNOWN_ROLE"
}

@test "a response whose header is none" {
	odd read 'out=hello world\n\n' end next read 'out=Content-Type: text/plain\n' end
	client 1 --ping "$S"
	one_line "the response of unix:$S has no good header"
	client 1 --request "$S" /x
	one_line "the response of unix:$S has no good header"
	[ "$output" = 'Content-Type: text/plain' ]
}

# Who does not answer, or not well.

@test "no such socket, and one that nobody listens on" {
	client 2 --ping "$S"
	one_line "cannot connect to unix:$S: No such file or directory"
	make_stale "$S"
	client 2 --request "$S" /x
	one_line "cannot connect to unix:$S: Connection refused"
	client 2 --ping "127.0.0.1:$(free_port)"
	one_line 'Connection refused'
}

@test "a socket that is not for this user" {
	odd read "$OK" end
	chmod 600 "$S"
	need_root
	spawn_as_other --ping "$S"
	[ "$status" = 0 ] || [ "$status" = 2 ]
	chown root "$S"
	spawn_as_other --ping "$S"
	[ "$status" = 2 ]
	[[ $stderr == *"cannot connect to unix:$S: Permission denied (this user may not"* ]]
}

@test "a socket that never answers" {
	odd read hold
	client 3 --timeout 0.2 --ping "$S"
	one_line "no response from unix:$S within 0.2 s"
}

@test "a program that begins a response, and does not end it" {
	odd read "$OK" hold
	client 3 --timeout 0.2 --request "$S" /x
	one_line "the response of unix:$S did not end within 0.2 s"
	[[ $output == *hello ]]
}

@test "a full queue that does not drain" {
	odd full
	client 3 --timeout 0.3 --ping "$S"
	one_line "no connection to unix:$S within 0.3 s: its queue is full"
}

@test "a full queue that drains in time" {
	need_proc
	need_no_valgrind
	odd full read "$OK" end
	start client "$SPAWN_FCGI" --timeout 20 --ping "$S"
	has_socket() { [ "$(descriptors "$(pid_of client)")" = 4 ]; }
	eventually has_socket
	kill -USR1 "$(pid_of odd)"
	await client 20
	[ "$STATUS" = 0 ]
}

@test "a port with a full queue" {
	ODD_AT=$(free_port)
	odd full
	client 3 --timeout 0.3 --ping "127.0.0.1:$ODD_AT"
	one_line "no connection to tcp:127.0.0.1:$ODD_AT within 0.3 s: no answer of the system there"
}

@test "a program that closes the connection before it has answered" {
	odd read next "$OK"
	client 4 --ping "$S"
	one_line "unix:$S has closed the connection without a response"
	client 4 --request "$S" /x
	one_line "unix:$S has closed the connection before the end of the response"
	[[ $output == *hello ]]
}

@test "half a record" {
	odd read 'raw=\x01\x06\x00' next read 'raw=\x01\x06\x00\x01\x00\x05\x00\x00ab' hold
	client 4 --ping "$S"
	client 3 --timeout 0.2 --ping "$S"
	one_line "the response of unix:$S did not end within 0.2 s"
}

@test "a server of another protocol" {
	odd 'raw=HTTP/1.1 400 Bad Request\r\n\r\n' hold
	client 4 --ping "$S"
	one_line "no FastCGI from unix:$S: \"HTTP/1.1\" where a record should begin"
}

@test "records that break the protocol" {
	odd read "$OK" 'raw=\x02\x06\x00\x01\x00\x00\x00\x00' hold next read "$OK" record=6,2,x hold \
		next read "$OK" record=4,1,x hold next read "$OK" record=3,1,x hold \
		next read "$OK" out= out=x hold
	local fault

	for fault in '"' 'a record for request 2' 'FCGI_PARAMS (type 4)' \
		'an FCGI_END_REQUEST that is too short' 'FCGI_STDOUT after its end'; do
		client 4 --ping "$S"
		one_line "no FastCGI from unix:$S: $fault"
	done
}

@test "what a program says does not reach the terminal in a message" {
	odd read 'out=Status: 500 a\x1b[31m\n\n' end
	client 1 --ping "$S"
	one_line 'answers 500 a?[31m'
}

# Standard output.

@test "a response that cannot be written is an error, as is a reader that has gone" {
	[ -c /dev/full ] || skip 'no /dev/full here'
	odd read 'out=\n' big=1000000 end
	to_full() { "$@" >/dev/full; }
	capture to_full "$SPAWN_FCGI" --request "$S" /x
	[ "$status" = 255 ]
	one_line 'cannot write the response to standard output: No space left on device'
	to_nobody() { "$@" > >(:); }
	capture to_nobody "$SPAWN_FCGI" --request "$S" /x
	[ "$status" = 255 ]
	one_line 'cannot write the response to standard output: Broken pipe'
}

@test "a reader of the response that does not read is not waited for longer" {
	odd read 'out=\n' big=1000000 end
	mkfifo "$T/fifo"
	to_fifo() { "$@" 1<>"$T/fifo"; }
	capture to_fifo "$SPAWN_FCGI" --timeout 0.3 --request "$S" /x
	[ "$status" = 3 ]
	one_line "the response of unix:$S cannot be written within 0.3 s: nobody reads standard output"
}

# Command lines.

@test "--ping and --request go with nothing but --timeout" {
	client 255 --ping "$S" -s "$S"
	[[ $stderr == *"-s has no meaning with --ping"* ]]
	client 255 --supervise --request "$S" /x
	[[ $stderr == *"--supervise has no meaning with --request"* ]]
	client 255 --ping "$S" --request "$S" /x
	client 255 --timeout 3 -s "$S" -- /bin/true
	[[ $stderr == *"--timeout needs --ping or --request"* ]]
}

@test "addresses, scripts and parameters that are none" {
	client 255 --ping localhost:9000
	one_line '--ping: "localhost:9000" is neither the path of a Unix socket nor ADDRESS:PORT'
	client 255 --request "$S"
	one_line '--request wants a script'
	client 255 --request "$S" A=b
	one_line '--request wants a script'
	client 255 --request "$S" x.php
	client 255 --request "$S" /x A
	one_line '--request wants NAME=VALUE, not "A"'
	client 255 --ping "$S" /x =b
	one_line '--ping wants NAME=VALUE, not "=b"'
}
