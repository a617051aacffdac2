#!/usr/bin/env bats
# Which script runs, in what surroundings, and what becomes of its reply.
#
# shellcheck disable=SC2016,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

# resolve NAME=VALUE...: a request with these parameters and no others.
resolve() {
	ask begin params "$@" params-end stdin-end read
}

# refused STATUS PATTERN STEP...: is answered with this status, for the reason in the log.
refused() {
	local status_=$1 pattern=$2

	shift 2
	: >"$T/log"
	ask "$@"
	has "Status: $status_ "
	logged "$pattern"
	logged_times 1 .
}

# Which script, and what it is told of itself. -----------------------------------------------

@test "SCRIPT_FILENAME names the script" {
	start_wrapper
	resolve SCRIPT_FILENAME="$CGI/env.sh" SCRIPT_NAME=/cgi/env.sh DOCUMENT_ROOT=/srv
	has_line "SCRIPT_FILENAME=$CGI/env.sh" SCRIPT_NAME=/cgi/env.sh
	lacks_line 'PATH_.*=.*/.*srv.*'
}

@test "what follows the script in SCRIPT_FILENAME is its PATH_INFO" {
	start_wrapper
	resolve SCRIPT_FILENAME="$CGI/env.sh/some/path" SCRIPT_NAME=/cgi/env.sh/some/path \
		DOCUMENT_ROOT=/srv
	has_line "SCRIPT_FILENAME=$CGI/env.sh" SCRIPT_NAME=/cgi/env.sh PATH_INFO=/some/path \
		PATH_TRANSLATED=/srv/some/path
}

@test "a slash behind the script is PATH_INFO too" {
	start_wrapper
	resolve SCRIPT_FILENAME="$CGI/env.sh/" SCRIPT_NAME=/env.sh/
	has_line "SCRIPT_FILENAME=$CGI/env.sh" SCRIPT_NAME=/env.sh PATH_INFO=/
	lacks PATH_TRANSLATED
}

@test "DOCUMENT_ROOT and SCRIPT_NAME name the script, and its PATH_INFO" {
	start_wrapper
	resolve DOCUMENT_ROOT="$CGI" SCRIPT_NAME=/env.sh
	has_line "SCRIPT_FILENAME=$CGI/env.sh" SCRIPT_NAME=/env.sh
	lacks PATH_INFO PATH_TRANSLATED
	resolve DOCUMENT_ROOT="$CGI" SCRIPT_NAME=/env.sh/some/path
	has_line "SCRIPT_FILENAME=$CGI/env.sh" SCRIPT_NAME=/env.sh PATH_INFO=/some/path \
		"PATH_TRANSLATED=$CGI/some/path"
}

@test "an empty SCRIPT_FILENAME counts as none" {
	start_wrapper
	resolve SCRIPT_FILENAME= DOCUMENT_ROOT="$CGI" SCRIPT_NAME=/env.sh
	has_line "SCRIPT_FILENAME=$CGI/env.sh"
}

@test "an empty PATH_INFO counts as none" {
	start_wrapper
	resolve SCRIPT_FILENAME="$CGI/env.sh" PATH_INFO= PATH_TRANSLATED=/srv DOCUMENT_ROOT=/srv
	lacks PATH_INFO PATH_TRANSLATED
	resolve SCRIPT_FILENAME="$CGI/env.sh/rest" SCRIPT_NAME=/env.sh/rest PATH_INFO=
	has_line PATH_INFO=/rest
}

@test "a PATH_INFO that the web server has found is passed on" {
	start_wrapper
	resolve SCRIPT_FILENAME="$CGI/env.sh" SCRIPT_NAME=/env.sh PATH_INFO=/found DOCUMENT_ROOT=/srv
	has_line SCRIPT_NAME=/env.sh PATH_INFO=/found PATH_TRANSLATED=/srv/found
	resolve SCRIPT_FILENAME="$CGI/env.sh" PATH_INFO=/found PATH_TRANSLATED=/else DOCUMENT_ROOT=/srv
	has_line PATH_TRANSLATED=/else
}

@test "what Apache's proxy puts before a path is cut off" {
	local prefix

	start_wrapper
	for prefix in proxy:fcgi://127.0.0.1:9000 proxy:fcgi://localhost proxy:balancer://workers \
		'proxy:unix:/run/s|fcgi://localhost'; do
		resolve SCRIPT_FILENAME="$prefix$CGI/env.sh/rest?a=b" SCRIPT_NAME=/env.sh/rest
		has_line "SCRIPT_FILENAME=$CGI/env.sh" PATH_INFO=/rest
	done
}

@test "a script may have any name" {
	local name='a b?%41\x5c$(x);&*'

	start_wrapper
	cp "$CGI/where.sh" "$T/$(printf '%b' "$name")"
	ask begin params SCRIPT_FILENAME="$T/$name" params-end stdin-end read
	has "name=$T/$(printf '%b' "$name")"
}

@test "a link to a script is a script" {
	start_wrapper
	ln -s "$CGI/where.sh" "$T/link"
	resolve SCRIPT_FILENAME="$T/link"
	has_line "name=$T/link"
}

@test "a program need not be a script" {
	start_wrapper
	cp "$(command -v env)" "$T/program"
	resolve SCRIPT_FILENAME="$T/program"
	logged '"[A-Z_]*=.*" where a header line is due'
}

@test "a missing script is 404, and its first missing part is named" {
	start_wrapper
	refused 404 "$CGI/missing.sh does not exist" get "$CGI/missing.sh"
	refused 404 "$CGI/missing does not exist" get "$CGI/missing/env.sh/more"
	refused 404 '/missing-root does not exist' get /missing-root/a/b
	refused 404 "$CGI/missing.sh does not exist" begin \
		params DOCUMENT_ROOT="$CGI" SCRIPT_NAME=/missing.sh params-end stdin-end read
}

@test "an error page is short and plain" {
	start_wrapper
	ask out 1 "$T/404" get "$CGI/missing.sh"
	cmp "$T/404" <(printf 'Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\n404 Not Found\r\n')
	ask out 1 "$T/403" get "$CGI"
	cmp "$T/403" <(printf 'Status: 403 Forbidden\r\nContent-Type: text/plain\r\n\r\n403 Forbidden\r\n')
	ask out 1 "$T/502" get "$CGI/no-output.sh"
	cmp "$T/502" \
		<(printf 'Status: 502 Bad Gateway\r\nContent-Type: text/plain\r\n\r\n502 Bad Gateway\r\n')
}

@test "what is no script is 403" {
	start_wrapper
	refused 403 "$CGI: a directory, not a script" get "$CGI"
	refused 403 "$CGI/: a directory, not a script" get "$CGI/"
	refused 403 '/dev/null: a special file, not a script' get /dev/null
	refused 403 "$CGI/no-x-bit.sh: may not be executed by .*uid [0-9]+.*chmod \+x" \
		get "$CGI/no-x-bit.sh"
	refused 403 'names no script' begin params SCRIPT_NAME=/a params-end stdin-end read
	refused 403 'names no script' begin params SCRIPT_FILENAME= DOCUMENT_ROOT="$CGI" params-end \
		stdin-end read
}

@test "a relative path is 403" {
	start_wrapper
	refused 403 'env.sh: not an absolute path' get env.sh
	refused 403 'proxy:nonsense: not an absolute path' get proxy:nonsense
}

@test "a directory that may not be searched is 403, and named" {
	start_unprivileged
	mkdir -p "$T/closed/inner"
	cp "$CGI/hello.sh" "$T/closed/inner"
	chmod 600 "$T/closed"
	[ "$EUID" != 0 ] || chown 65534 "$T/closed"
	refused 403 "$T/closed: this directory may not be searched by .*uid [0-9]+" \
		get "$T/closed/inner/hello.sh"
	chmod 700 "$T/closed"
	ask get "$T/closed/inner/hello.sh"
	has_line hello
}

@test "a script that may not be read cannot be run by its interpreter" {
	start_unprivileged
	cp "$CGI/hello.sh" "$T/secret.sh"
	chmod 111 "$T/secret.sh"
	ask get "$T/secret.sh"
	has 'Status: 502 '
	logged secret.sh
}

@test "with -p only the scripts that it names run" {
	start_wrapper -p "$CGI/hello.sh" -p "$CGI/env.sh"
	ask get "$CGI/hello.sh"
	has_line hello
	resolve SCRIPT_FILENAME="$CGI/env.sh/rest"
	has_line "SCRIPT_FILENAME=$CGI/env.sh"
	refused 403 "$CGI/where.sh: not among the scripts allowed by -p" get "$CGI/where.sh"
	refused 403 'not among the scripts allowed by -p' get "$CGI/../cgi/hello.sh"
	refused 404 'does not exist' get "$CGI/missing.sh"
}

@test "a script is called by its path, without arguments, in its directory" {
	start_wrapper
	ask get "$CGI/where.sh" QUERY_STRING=one+two
	has_line "name=$CGI/where.sh" arguments=0 "directory=$(cd "$CGI" && pwd -P)"
}

@test "FCGI_CHDIR names another working directory" {
	start_wrapper
	ask get "$CGI/where.sh" FCGI_CHDIR=/
	has_line directory=/
	ask get "$CGI/where.sh" FCGI_CHDIR=
	has_line "directory=$(cd "$CGI" && pwd -P)"
}

@test "FCGI_CHDIR=- leaves the script where fcgiwrap is" {
	mkdir "$T/home"
	cd "$T/home"
	start_wrapper
	ask get "$CGI/where.sh" FCGI_CHDIR=-
	has_line "directory=$(pwd -P)"
}

@test "a missing FCGI_CHDIR is 403" {
	start_wrapper
	refused 403 'cannot change to its directory /missing: No such file' \
		get "$CGI/where.sh" FCGI_CHDIR=/missing
}

# Surroundings. ------------------------------------------------------------------------------

@test "a script sees the parameters of its request" {
	start_wrapper
	ask get "$CGI/env.sh" A='b=c d' HTTP_ACCEPT='text/html;q=0.5' EMPTY= lower=case _X=y Z9=1
	has_line 'A=b=c d' 'HTTP_ACCEPT=text/html;q=0.5' EMPTY= lower=case _X=y Z9=1 REMOTE_ADDR=127.0.0.1
}

@test "of a parameter that comes twice the last one counts" {
	start_wrapper
	ask get "$CGI/env.sh" REMOTE_USER=first A=1 REMOTE_USER=second REMOTE_USER=last
	has_line REMOTE_USER=last
	lacks first second
}

@test "names that no shell could have are left out" {
	start_wrapper
	ask get "$CGI/env.sh" 'A B=bad' A-B=bad 1A=bad 'BASH_FUNC_x%%=bad' 'A\x01=bad' '\xc4=bad' A.B=bad
	lacks bad
}

@test "parameters that would steer loaders, shells and interpreters are refused, and logged once" {
	local name names='HTTP_PROXY LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT PATH IFS ENV BASH_ENV SHELLOPTS
		PS4 HOME TMPDIR PERL5LIB PERL5OPT PERL5DB PERLLIB PYTHONPATH PYTHONHOME PYTHONINSPECT
		RUBYOPT RUBYLIB NODE_OPTIONS GLIBC_TUNABLES GCONV_PATH JAVA_TOOL_OPTIONS PHPRC
		LUA_INIT HOSTALIASES'

	start_wrapper
	set --
	for name in $names; do
		set -- "$@" "$name=/evil"
	done
	ask get "$CGI/env.sh" "$@" keep get "$CGI/env.sh" "$@" AFTER=all
	has_line AFTER=all
	lacks evil
	logged_times 1 'parameter HTTP_PROXY .*refused'
	logged_times 1 'parameter PATH .*refused'
	logged_times 1 'parameter PERL5\* .*refused'
}

@test "names that only look like refused ones are passed on" {
	start_wrapper
	ask get "$CGI/env.sh" HTTP_PROXY_AUTHORIZATION=ok PATHS=ok IF=ok ENVIRONMENT=ok L=ok http_proxy=ok
	has_line HTTP_PROXY_AUTHORIZATION=ok PATHS=ok IF=ok ENVIRONMENT=ok L=ok http_proxy=ok
}

@test "scripts inherit the environment of fcgiwrap" {
	OWN='a b' PERL5LIB="$T" start_wrapper
	ask get "$CGI/env.sh"
	has_line 'OWN=a b' "PERL5LIB=$T" "PATH=$PATH"
}

@test "a parameter goes before what is inherited" {
	OWN=ours start_wrapper
	ask get "$CGI/env.sh" OWN=theirs
	has_line OWN=theirs
	lacks ours
}

@test "what describes a request is not inherited" {
	local name

	for name in HTTP_COOKIE HTTPS HTTP_X AUTH_TYPE CONTENT_TYPE PATH_INFO PATH_TRANSLATED \
		REMOTE_HOST REMOTE_IDENT REMOTE_USER; do
		export "$name=stale"
	done
	QUERY_STRING=stale REQUEST_METHOD=stale start_wrapper
	resolve SCRIPT_FILENAME="$CGI/env.sh"
	has_line QUERY_STRING= REQUEST_METHOD=GET
	lacks stale
}

@test "what CGI wants is always set" {
	start_wrapper
	resolve SCRIPT_FILENAME="$CGI/env.sh"
	has_line GATEWAY_INTERFACE=CGI/1.1 QUERY_STRING= REQUEST_METHOD=GET FCGI_ROLE=RESPONDER
	has SERVER_PROTOCOL=HTTP/ SERVER_SOFTWARE=
}

@test "a client cannot choose its role's name" {
	start_wrapper
	ask get "$CGI/env.sh" FCGI_ROLE=KING
	has_line FCGI_ROLE=RESPONDER
}

@test "a script has standard input, output and error, and no other descriptor" {
	start_wrapper
	start_waiting client
	ask get "$CGI/fds.sh" keep post "$CGI/fds.sh" body keep id 2 get "$CGI/fds.sh"
	[ "$(grep -cx '0 1 2' <<<"$output")" = 3 ]
}

@test "the input of a request without body is empty" {
	start_wrapper
	ask get "$CGI/sum.sh"
	has bytes=0
}

@test "a script leads a session and a process group of its own" {
	local pid

	start_wrapper
	ask get "$CGI/pgid.sh"
	pid=$(sed -n 's/^pid=//p' <<<"$output")
	has_line "pgid=$pid" "sid=$pid"
	[ "$pid" != "$(pid_of wrapper)" ]
}

@test "a script finds all signals at their defaults" {
	trap '' HUP USR1 USR2 TTOU
	start_wrapper
	trap - HUP USR1 USR2 TTOU
	ask get "$CGI/signals.pl"
	has_line blocked: ignored:
}

# Scripts that fail. -------------------------------------------------------------------------

@test "a script whose interpreter is missing is 502, and the interpreter named" {
	need_no_valgrind
	start_wrapper
	refused 502 'bad-interpreter.sh: its interpreter "/nonexistent/interpreter" does not exist' \
		get "$CGI/bad-interpreter.sh"
}

@test "a script with DOS line ends is 502, and the carriage return named" {
	need_no_valgrind
	start_wrapper
	refused 502 'crlf-shebang.sh: its #! line ends in a carriage return' get "$CGI/crlf-shebang.sh"
}

@test "a script without #! line is 502, and said to be" {
	start_wrapper
	refused 502 'no-shebang: no #! line' get "$CGI/no-shebang"
}

@test "a script whose interpreter may not be executed is 502, and the interpreter named" {
	need_no_valgrind
	start_wrapper
	echo >"$T/interpreter"
	script closed.sh <<<"#!$T/interpreter"
	refused 502 "closed.sh: Permission denied .*$T/interpreter" get "$T/closed.sh"
}

@test "a script without output is 502, and its exit status told" {
	start_wrapper
	refused 502 'no-output.sh: exited with status 0 .*without an answer' get "$CGI/no-output.sh"
}

@test "a script that fails without output is 502, and its last words told" {
	start_wrapper
	script fails.sh <<-'END'
		#!/bin/sh
		echo 'first words' >&2
		echo 'last words' >&2
		exit 3
	END
	ask get "$T/fails.sh" expect-end app=3
	has 'Status: 502 '
	logged 'fails.sh: exited with status 3 .*it said: last words$'
}

@test "a script that crashes without output is 502, and the signal named" {
	start_wrapper
	refused 502 'crash.sh: was killed by signal 11 .*without an answer' get "$CGI/crash.sh"
}

@test "a script that crashes in its answer is logged, and what it said arrives" {
	start_wrapper
	ask get "$CGI/crash.sh" QUERY_STRING=late
	has 'half an ans'
	lacks 'Status:'
	logged 'crash.sh.*: was killed by signal 11 .*in the middle of its answer'
}

@test "a script that forgets its header is 502, and the line quoted" {
	start_wrapper
	refused 502 'no-header.sh: it wrote "this is no header" where a header line is due' \
		get "$CGI/no-header.sh"
}

@test "a script that begins with an empty line is 502" {
	start_wrapper
	script empty-line.sh <<-'END'
		#!/bin/sh
		printf '\nContent-Type: text/plain\n\nbody\n'
	END
	refused 502 'empty-line.sh: its output begins with an empty line' get "$T/empty-line.sh"
}

@test "a script whose header never ends is 502" {
	start_wrapper
	script endless.sh <<-'END'
		#!/bin/sh
		printf 'X-Long: %032000d\n\n' 0
	END
	ask get "$T/endless.sh"
	has 'Status: 502 '
	logged 'endless.sh: no empty line ends its header within'
}

# Replies. -----------------------------------------------------------------------------------

# replies FORMAT EXPECTED: what a script prints arrives as this; both are printf formats.
replies() {
	printf '%s' "$1" >"$T/format"
	script reply.sh <<-'END'
		#!/bin/sh
		printf "$(cat "${0%/*}/format")"
	END
	rm -f "$T/reply"
	ask out 1 "$T/reply" get "$T/reply.sh"
	# shellcheck disable=SC2059
	cmp "$T/reply" <(printf "$2") || { cat -A "$T/reply"; return 1; }
}

@test "header lines end in CRLF, the body stays as it is" {
	start_wrapper
	replies 'Content-Type: text/plain\nX: y\n\nline\n\r\nline\r\n' \
		'Content-Type: text/plain\r\nX: y\r\n\r\nline\n\r\nline\r\n'
	replies 'Content-Type: text/plain\r\nX: y\r\n\r\nbody' \
		'Content-Type: text/plain\r\nX: y\r\n\r\nbody'
	replies 'Content-Type: text/plain\r\r\nX: y\n\r\n\nbody' \
		'Content-Type: text/plain\r\nX: y\r\n\r\n\nbody'
}

@test "a body of any bytes arrives as it is" {
	start_wrapper
	perl -e 'print pack("C*", 0 .. 255), "\r\n\r\r\n\0\n" x 7 for 1 .. 999' >"$T/body"
	script bytes.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: application/octet-stream\n\n'
		exec cat "${0%/*}/body"
	END
	ask out 1 "$T/reply" get "$T/bytes.sh"
	tail -c "+$(($(printf 'Content-Type: application/octet-stream\r\n\r\n' | wc -c) + 1))" \
		"$T/reply" | cmp - "$T/body"
}

@test "a header may come in small pieces" {
	start_wrapper
	script pieces.pl <<-'END'
		#!/usr/bin/env perl
		syswrite STDOUT, $_ for split //, "Content-Type: text/plain\r\nX: y\n\r\nbody";
	END
	ask out 1 "$T/reply" get "$T/pieces.pl"
	cmp "$T/reply" <(printf 'Content-Type: text/plain\r\nX: y\r\n\r\nbody')
}

@test "a header may have 30 KiB" {
	start_wrapper
	script long.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n'
		printf 'X-%04d: y\n' $(seq 1000 4000)
		printf '\nbody'
	END
	ask out 1 "$T/reply" get "$T/long.sh"
	cmp "$T/reply" <("$T/long.sh" | sed '1,/^$/s/$/\r/')
}

@test "a Location without Status becomes 302" {
	start_wrapper
	replies 'Location: http://localhost/x\n\n' 'Status: 302 Found\r\nLocation: http://localhost/x\r\n\r\n'
	replies 'location: /x\n\n' 'Status: 302 Found\r\nlocation: /x\r\n\r\n'
}

@test "a Location with Status stays as it is" {
	start_wrapper
	replies 'Location: /x\nStatus: 301 Moved\n\n' 'Location: /x\r\nStatus: 301 Moved\r\n\r\n'
	replies 'Status: 201 Created\nLocation: /x\n\n' 'Status: 201 Created\r\nLocation: /x\r\n\r\n'
}

@test "a status line becomes a Status" {
	start_wrapper
	replies 'HTTP/1.1 404 Not Found\nContent-Type: text/plain\n\nbody' \
		'Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nbody'
	replies 'HTTP/1.0 204\nX: y\n\n' 'Status: 204\r\nX: y\r\n\r\n'
	replies 'HTTP/1.1 307 Elsewhere\nLocation: /x\n\n' 'Status: 307 Elsewhere\r\nLocation: /x\r\n\r\n'
}

@test "a continued header line is joined" {
	start_wrapper
	replies 'Content-Type: text/plain;\n  charset=x\nX: y\r\n\tz\n\n' \
		'Content-Type: text/plain;  charset=x\r\nX: y\tz\r\n\r\n'
}

@test "what concerns only a connection is left out" {
	start_wrapper
	replies 'Connection: close\n folded\nContent-Type: text/plain\nkeep-alive: 5\nTE: x\nTrailer: x\nTransfer-Encoding: chunked\nUpgrade: x\nX: y\n\nbody' \
		'Content-Type: text/plain\r\nX: y\r\n\r\nbody'
}

@test "fields that are not known are passed on" {
	start_wrapper
	replies 'Content-Type: text/plain\nSet-Cookie: a=b\nSet-Cookie: c=d\nX_y.z: :\nContent-Length: 2\n\nok' \
		'Content-Type: text/plain\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nX_y.z: :\r\nContent-Length: 2\r\n\r\nok'
}

@test "a reply that ends within its header is completed, and logged" {
	start_wrapper
	replies 'Content-Type: text/plain\nX: y' 'Content-Type: text/plain\r\nX: y\r\n\r\n'
	logged 'reply.sh: its output ends within the header'
}

@test "a header that says nothing of the content is logged" {
	start_wrapper
	replies 'X: y\n\nbody' 'X: y\r\n\r\nbody'
	logged 'reply.sh: its header has no Content-Type'
}

# Standard error. ----------------------------------------------------------------------------

@test "what a script says on standard error is logged with its path and pid" {
	start_wrapper
	script says.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\npid=%s\n' $$
		echo 'a line' >&2
		printf '\n\r\nno end' >&2
	END
	ask get "$T/says.sh"
	[ -z "$stderr" ]
	logged "says.sh\[$(sed -n 's/^pid=//p' <<<"$output")\]: a line$"
	logged 'says.sh\[[0-9]+\]: no end$'
	logged_times 2 .
}

@test "control characters do not reach the log" {
	start_wrapper
	script rude.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\n'
		printf 'a\033[2Jb\007c\rd\177e\0f\r\n' >&2
	END
	ask get "$T/rude.sh"
	logged ': a\?\[2Jb\?c\?d\?e\?f$'
}

@test "a request cannot write lines of its own into the log" {
	start_wrapper
	ask get '/missing\nfcgiwrap: all is well\x1b[2J'
	logged '/missing\?fcgiwrap: all is well\?'
	logged_times 1 .
}

@test "with -f standard error goes to the client, and nothing of it elsewhere" {
	start_wrapper -f
	ask out 1 "$T/reply" get "$CGI/stderr.sh"
	[[ $stderr == *'complaint 1'*'complaint 2'*'complaint 3'* ]]
	cmp "$T/reply" <(printf 'Content-Type: text/plain\r\n\r\nline 1\nline 2\n')
	logged_times 0 .
}

@test "with -f the reason of an error goes to the client's log, not into its page" {
	start_wrapper -f
	ask get "$CGI/missing.sh"
	[[ $stderr == *"$CGI/missing.sh does not exist"* ]]
	lacks 'does not exist'
	logged_times 0 .
}
