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

@test "an empty PATH_INFO stays empty, and an absent one absent" {
	start_wrapper
	resolve SCRIPT_FILENAME="$CGI/env.sh" PATH_INFO= PATH_TRANSLATED=/srv DOCUMENT_ROOT=/srv
	has_line PATH_INFO=
	lacks PATH_TRANSLATED
	resolve SCRIPT_FILENAME="$CGI/env.sh" PATH_TRANSLATED=/srv DOCUMENT_ROOT=/srv
	lacks PATH_INFO PATH_TRANSLATED
}

@test "an empty PATH_INFO gives way to one that is found" {
	start_wrapper
	resolve SCRIPT_FILENAME="$CGI/env.sh/rest" SCRIPT_NAME=/env.sh/rest PATH_INFO=
	has_line PATH_INFO=/rest SCRIPT_NAME=/env.sh
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

# proxied FILE NAME: what Apache sends, by each of its ways to name a script.
proxied() {
	local prefix

	for prefix in proxy:fcgi://localhost proxy:balancer://workers \
		'proxy:unix:/run/s|fcgi://localhost' ''; do
		resolve SCRIPT_FILENAME="$prefix$1" SCRIPT_NAME="$2" DOCUMENT_ROOT=/srv
		"${@:3}"
	done
}

@test "a SCRIPT_FILENAME that Apache's ProxyPass has encoded is decoded" {
	start_wrapper
	proxied "$CGI/env.sh/a%20b/c%25" '/pp/env.sh/a b/c%' \
		has_line "SCRIPT_FILENAME=$CGI/env.sh" SCRIPT_NAME=/pp/env.sh 'PATH_INFO=/a b/c%' \
		'PATH_TRANSLATED=/srv/a b/c%'
	cp "$CGI/where.sh" "$T/sp ace?.sh"
	proxied "$T/sp%20ace%3f.sh" '/pp/sp ace?.sh' has_line "name=$T/sp ace?.sh"
}

@test "a SCRIPT_FILENAME that Apache's SetHandler has not encoded stays as it is" {
	start_wrapper
	cp "$CGI/where.sh" "$T/sp%20ace.sh"
	proxied "$T/sp%20ace.sh" /pp/sp%20ace.sh has_line "name=$T/sp%20ace.sh"
	proxied "$CGI/env.sh/100%25/x" /pp/env.sh/100%25/x has_line PATH_INFO=/100%25/x
}

@test "an escape that is no part of SCRIPT_NAME, or stands for a slash or NUL, stays as it is" {
	start_wrapper
	refused 404 'a%20b does not exist' begin params SCRIPT_FILENAME="$T/a%20b/x.sh" SCRIPT_NAME=/x.sh \
		params-end stdin-end read
	cp "$CGI/where.sh" "$T/a%2fb.sh"
	resolve SCRIPT_FILENAME="$T/a%2fb.sh" SCRIPT_NAME=/a/b.sh
	has_line "name=$T/a%2fb.sh"
	refused 404 '/a%00b does not exist' begin params SCRIPT_FILENAME=/a%00b SCRIPT_NAME=/a \
		params-end stdin-end read
}

@test "of several SCRIPT_FILENAMEs the last one that names a file counts" {
	start_wrapper
	resolve SCRIPT_FILENAME="$CGI/env.sh" SCRIPT_FILENAME="$CGI/missing.sh"
	has_line "SCRIPT_FILENAME=$CGI/env.sh"
	resolve SCRIPT_FILENAME="$CGI/hello.sh" SCRIPT_FILENAME="$CGI/env.sh/info" SCRIPT_FILENAME="$CGI"
	has_line "SCRIPT_FILENAME=$CGI/env.sh" PATH_INFO=/info
	resolve SCRIPT_FILENAME="$CGI/hello.sh" SCRIPT_FILENAME="$CGI/env.sh"
	has_line "SCRIPT_FILENAME=$CGI/env.sh"
	refused 404 "$CGI/2.sh does not exist" begin params SCRIPT_FILENAME="$CGI/1.sh" \
		SCRIPT_FILENAME="$CGI/2.sh" params-end stdin-end read
}

@test "DOCUMENT_ROOT and PATH_INFO name the script for Caddy and h2o, which leave it to us" {
	local file

	start_wrapper
	for file in "$CGI" "$CGI/" ''; do
		resolve SCRIPT_FILENAME="$file" DOCUMENT_ROOT="${CGI%/cgi}" SCRIPT_NAME= \
			PATH_INFO=/cgi/env.sh/info PATH_TRANSLATED="$CGI/env.sh/info"
		has_line "SCRIPT_FILENAME=$CGI/env.sh" SCRIPT_NAME=/cgi/env.sh PATH_INFO=/info \
			"PATH_TRANSLATED=${CGI%/cgi}/info"
	done
	resolve DOCUMENT_ROOT="$CGI" PATH_INFO=/env.sh
	has_line "SCRIPT_FILENAME=$CGI/env.sh" SCRIPT_NAME=/env.sh PATH_INFO=
	refused 404 "$CGI/missing.sh does not exist" begin params DOCUMENT_ROOT="$CGI" \
		PATH_INFO=/missing.sh params-end stdin-end read
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
	cmp "$T/404" <(printf 'Status: 404 Not Found\r\nContent-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\n\r\n404 Not Found\r\n')
	ask out 1 "$T/403" get "$CGI"
	cmp "$T/403" <(printf 'Status: 403 Forbidden\r\nContent-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\n\r\n403 Forbidden\r\n')
	ask out 1 "$T/502" get "$CGI/no-output.sh"
	cmp "$T/502" \
		<(printf 'Status: 502 Bad Gateway\r\nContent-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\n\r\n502 Bad Gateway\r\n')
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

@test "a program that may be executed, but not read, runs below a --root too" {
	need perl
	cp "$(command -v perl)" "$T/secret"
	chmod 111 "$T/secret"
	start_unprivileged --root "$T"
	ask post "$T/secret" 'print "Content-Type: text/plain\n\nran\n";'
	has_line ran
	rm "$T/secret"
	ln -s "$(command -v perl)" "$T/secret"
	ask get "$T/secret"
	lacks ran
	has 'Status: 40'
}

@test "with -p only the scripts that it names run" {
	start_wrapper -p "$CGI/hello.sh" -p "$CGI/env.sh"
	ask get "$CGI/hello.sh"
	has_line hello
	resolve SCRIPT_FILENAME="$CGI/env.sh/rest"
	has_line "SCRIPT_FILENAME=$CGI/env.sh"
	refused 404 "$CGI/where.sh: not among the scripts allowed by -p" get "$CGI/where.sh"
	refused 404 'not among the scripts allowed by -p' get "$CGI/../cgi/hello.sh"
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

@test "header fields that come twice become one, those of the same value once" {
	start_wrapper
	ask get "$CGI/env.sh" HTTP_X=1 HTTP_COOKIE=a=1 HTTP_HOST=here HTTP_X=2 HTTP_COOKIE=b=2 \
		HTTP_HOST=here HTTP_X=3
	has_line 'HTTP_X=1, 2, 3' 'HTTP_COOKIE=a=1; b=2' HTTP_HOST=here
}

# A program that prints its environment as it is; a shell would leave names out.
make_printenv() {
	script print.pl <<-END
		#!$(type -P perl)
		print "Content-Type: text/plain\n\n", map { "\$_=\$ENV{\$_}\n" } sort keys %ENV;
	END
}

@test "names may have any bytes" {
	start_wrapper
	make_printenv
	ask get "$T/print.pl" Shib-Session-ID=_abc A.B=1 1A=2 'A B=3' 'A%=4'
	has_line Shib-Session-ID=_abc A.B=1 1A=2 'A B=3' 'A%=4'
}

@test "exported functions of bash are left out, and logged" {
	start_wrapper --accept-param 'BASH_*'
	make_printenv
	ask get "$T/print.pl" 'BASH_FUNC_x%%=() { bad; }' 'BASH_FUNC_y()=bad'
	lacks bad
	logged_times 1 'parameter BASH_FUNC_\* .*refused'
}

@test "with neither -p nor --root parameters pass that steer a program, but for HTTP_PROXY" {
	start_wrapper
	ask get "$CGI/env.sh" PERL5LIB=/lib PHPRC=/etc HOME=/home http_proxy=ok HTTP_PROXY=evil
	has_line PERL5LIB=/lib PHPRC=/etc HOME=/home http_proxy=ok
	lacks evil
	logged_times 1 'parameter HTTP_PROXY .*refused'
}

@test "with --root parameters that would steer a program are refused, and logged once" {
	local name names='HTTP_PROXY LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT PATH IFS ENV BASH_ENV SHELLOPTS
		PS4 HOME TMPDIR PERL5LIB PERL5OPT PERL5DB PERLLIB PYTHONPATH PYTHONHOME PYTHONINSPECT
		RUBYOPT RUBYLIB NODE_OPTIONS GLIBC_TUNABLES GCONV_PATH JAVA_TOOL_OPTIONS PHPRC
		LUA_INIT HOSTALIASES TCL_LIBRARY DBI_TRACE DBI_AUTOPROXY SSLKEYLOGFILE NODE_V8_COVERAGE
		GAWK_PERSIST_FILE AWKPATH TAR_OPTIONS MAKEFILES MAKEFLAGS GIT_TRACE GIT_EXTERNAL_DIFF
		LESSOPEN CURL_HOME EDITOR SSL_CERT_FILE http_proxy DBUS_SESSION_BUS_ADDRESS'

	start_wrapper --root "$CGI"
	set --
	for name in $names; do
		set -- "$@" "$name=/evil"
	done
	ask get "$CGI/env.sh" "$@" keep get "$CGI/env.sh" "$@" AFTER=all
	has_line AFTER=all
	lacks evil
	logged_times 1 'parameter HTTP_PROXY .*refused'
	logged_times 1 'parameter PATH .*refused'
	logged_times 1 'parameter PERL\* .*refused'
}

@test "with -p they are refused too" {
	start_wrapper -p "$CGI/env.sh"
	ask get "$CGI/env.sh" PERL5LIB=/evil AFTER=all
	has_line AFTER=all
	lacks evil
}

@test "names that only look like refused ones are passed on" {
	start_wrapper --root "$CGI"
	ask get "$CGI/env.sh" HTTP_PROXY_AUTHORIZATION=ok PATHS=ok IF=ok ENVIRONMENT=ok L=ok
	has_line HTTP_PROXY_AUTHORIZATION=ok PATHS=ok IF=ok ENVIRONMENT=ok L=ok
}

@test "what git-http-backend is told by web servers is passed on" {
	start_wrapper --root "$CGI"
	ask get "$CGI/env.sh" GIT_PROJECT_ROOT=/srv/git GIT_HTTP_EXPORT_ALL= GIT_PROTOCOL=version=2
	has_line GIT_PROJECT_ROOT=/srv/git GIT_HTTP_EXPORT_ALL= GIT_PROTOCOL=version=2
}

@test "--accept-param lets single parameters through" {
	start_wrapper --root "$CGI" --accept-param PERL5LIB --accept-param 'GIT_*' --accept-param HTTP_PROXY
	ask get "$CGI/env.sh" PERL5LIB=/lib PERL5OPT=evil GIT_TRACE=1 HTTP_PROXY=ours
	has_line PERL5LIB=/lib GIT_TRACE=1 HTTP_PROXY=ours
	lacks evil
}

@test "HTTP_PROXY is accepted by its full name only" {
	start_wrapper --accept-param 'HTTP_*'
	ask get "$CGI/env.sh" HTTP_PROXY=evil HTTP_X=ok
	has_line HTTP_X=ok
	lacks evil
}

@test "--strict-params passes what web servers always send, and what is accepted" {
	start_wrapper --strict-params --accept-param MY_OWN
	ask get "$CGI/env.sh" MY_OWN=ok MY_OTHER=evil MY_OTHER=evil PERL5LIB=evil HTTP_X=ok HTTPS=on \
		DOCUMENT_ROOT=/srv DOCUMENT_URI=/a REQUEST_URI=/b REQUEST_SCHEME=https \
		SERVER_ADDR=::1 REMOTE_PORT=1 REDIRECT_STATUS=200 CONTEXT_PREFIX=/c SSL_PROTOCOL=x \
		GEOIP_CITY=y SSL_CERT_FILE=evil
	has_line MY_OWN=ok HTTP_X=ok HTTPS=on DOCUMENT_ROOT=/srv DOCUMENT_URI=/a REQUEST_URI=/b \
		REQUEST_SCHEME=https SERVER_ADDR=::1 REMOTE_PORT=1 REDIRECT_STATUS=200 \
		CONTEXT_PREFIX=/c SSL_PROTOCOL=x GEOIP_CITY=y
	lacks evil
	logged_times 1 'parameter MY_OTHER .*refused'
}

@test "--accept-param wants a name, with a star at its end or none" {
	local bad

	for bad in '' 'A=b' '*A' 'A*B' 'A**'; do
		run -1 timeout 10 "$FCGIWRAP" -s "$SOCKET" --accept-param "$bad"
		has "--accept-param wants a NAME" "\"$bad\""
	done
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

@test "a GET without CONTENT_LENGTH starts before the end of its body" {
	start_wrapper
	ask begin keep params SCRIPT_FILENAME="$CGI/hello.sh" REQUEST_METHOD=GET params-end \
		expect-end app=0 stdin-end get "$CGI/hello.sh" keep expect-end app=0
	ask begin keep params SCRIPT_FILENAME="$CGI/hello.sh" REQUEST_METHOD=HEAD params-end \
		expect-end app=0 stdin-end get "$CGI/hello.sh" keep expect-end app=0
}

@test "a body of a length that was not told is measured, and has no Transfer-Encoding left" {
	start_wrapper
	ask begin params SCRIPT_FILENAME="$CGI/env.sh" REQUEST_METHOD=GET \
		HTTP_TRANSFER_ENCODING=chunked params-end stdin hello stdin-end read
	has_line CONTENT_LENGTH=5
	lacks TRANSFER_ENCODING
	ask begin params SCRIPT_FILENAME="$CGI/env.sh" REQUEST_METHOD=POST CONTENT_LENGTH= params-end \
		stdin hello stdin-end read
	has_line CONTENT_LENGTH=5
}

@test "an empty CONTENT_LENGTH of a request without body is taken away" {
	start_wrapper
	ask get "$CGI/env.sh" CONTENT_LENGTH=
	lacks_line 'CONTENT_LENGTH=.*'
	ask get "$CGI/env.sh" CONTENT_LENGTH=0
	has_line CONTENT_LENGTH=0
}

@test "the input of a request without body is empty" {
	start_wrapper
	ask get "$CGI/sum.sh"
	has bytes=0
}

@test "a script is in a process group of its own, which it does not lead" {
	local pid group

	start_wrapper
	ask get "$CGI/pgid.sh"
	pid=$(sed -n 's/^pid=//p' <<<"$output")
	group=$(sed -n 's/^pgid=//p' <<<"$output")
	[ "$group" != "$pid" ]
	[ "$group" != "$(ps -o pgid= -p "$(pid_of wrapper)" | tr -d ' ')" ]
	has_line "sid=$(ps -o sid= -p "$(pid_of wrapper)" | tr -d ' ')"
}

group_of_script() {
	ask get "$CGI/pgid.sh" expect-end app=0
	sed -n 's/^pgid=//p' <<<"$output"
}

# Groups are kept for a second, in which not all machines start two scripts.
@test "a process group that is empty serves the next script" {
	twice_the_same() { [ "$(group_of_script)" = "$(group_of_script)" ]; }

	[ -e "$FCGI_BUILD/wrapper/exec-linux.o" ] || skip 'built without fast starts'
	start_wrapper -c 1
	eventually twice_the_same
}

@test "a process group that a script has left somebody in serves no other" {
	local first

	start_wrapper -c 1
	script leaves.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\n'
		exec 2>&-
		sleep 60 >/dev/null &
		echo "left=$!"
		exec perl -e 'print "pgid=", getpgrp(), "\n"'
	END
	ask get "$T/leaves.sh" expect-end app=0
	first=$(sed -n 's/^pgid=//p' <<<"$output")
	[ -n "$first" ]
	for _ in 1 2 3; do
		[ "$(group_of_script)" != "$first" ]
	done
	kill -0 "$(sed -n 's/^left=//p' <<<"$output")"
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
	refused 502 'bad-interpreter.sh: its interpreter /nonexistent/interpreter does not exist' \
		get "$CGI/bad-interpreter.sh"
}

@test "a script with DOS line ends is 502, and the carriage return named" {
	need_no_valgrind
	start_wrapper
	refused 502 'crlf-shebang.sh: its first line ends in a carriage return' get "$CGI/crlf-shebang.sh"
}

@test "a script without #! line is 502, and said to be" {
	start_wrapper
	refused 502 'no-shebang: Exec format error .a script needs a first line' get "$CGI/no-shebang"
}

@test "a script whose interpreter may not be executed is 502, and the interpreter named" {
	need_no_valgrind
	start_wrapper
	echo >"$T/interpreter"
	script closed.sh <<<"#!$T/interpreter"
	refused 502 "closed.sh: Permission denied .*$T/interpreter" get "$T/closed.sh"
}

@test "a script that becomes a FIFO while it waits holds up nobody" {
	start_wrapper -c 1 --max-scripts 1
	script turns.sh <"$CGI/hello.sh"
	start_queued "$CGI/wait.sh" "$T/turns.sh"
	rm "$T/turns.sh"
	mkfifo -m 755 "$T/turns.sh"
	: >"$T/go"
	await queued
	grep 'Status: 403 ' "$T/queued"
	logged 'script .*turns.sh: a special file, not a script'
	ask get "$CGI/hello.sh"
	has_line hello
}

# traced OPTION...: fcgiwrap runs below strace.
traced() {
	need strace
	strace -o "$T/strace" true 2>/dev/null || skip 'strace may not trace here'
	ASAN_OPTIONS=detect_leaks=0 TEST_WRAPPER="strace -I 2 -f -qq -o $T/strace $* ${TEST_WRAPPER-}" \
		start_wrapper -c 1
}

@test "a failure of the file system is not told to be a matter of permissions" {
	local stat='?stat,?newfstatat,?statx' access='?access,?faccessat,?faccessat2'

	cp "$CGI/hello.sh" "$T/far.sh"
	traced -P "$T/far.sh" -e trace="$access" -e inject="$access:error=EIO"
	refused 500 'script .*far.sh: Input/output error' get "$T/far.sh"
	stop wrapper
	traced -P "$T/far.sh" -e trace="$stat" -e inject="$stat:error=ESTALE"
	refused 500 'script .*far.sh: Stale file handle' get "$T/far.sh"
}

@test "a path that is longer than the system takes is cut before it is looked at" {
	traced -e trace='?stat,?newfstatat,?statx'
	refused 404 '/x does not exist' get "/x$(printf '%0100000d' 0 | tr 0 /)"
	[ "$(grep -c ///// "$T/strace")" -lt 5000 ]
}

@test "a script without output is 502, and its exit status told" {
	start_wrapper
	refused 502 'no-output.sh: exited with status 0 .*without a response' get "$CGI/no-output.sh"
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
	refused 502 'crash.sh: was killed by signal 11 .*without a response' get "$CGI/crash.sh"
}

@test "a script that crashes in its answer is logged, and the client notices that it is cut" {
	start_wrapper
	ask request "$CGI/crash.sh" QUERY_STRING=late CONTENT_LENGTH=0 keep stdin-end may-close expect-closed
	has 'half an ans'
	lacks 'Status:'
	logged 'crash.sh.*: was killed by signal 11 .*in the middle of its response'
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
		printf 'X-Long: %0270000d\n\n' 0
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

@test "what concerns only a connection is left out, but for Transfer-Encoding" {
	start_wrapper
	replies 'Connection: close\n folded\nContent-Type: text/plain\nkeep-alive: 5\nTE: x\nTrailer: x\nTransfer-Encoding: chunked\nUpgrade: x\nX: y\n\nbody' \
		'Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\nbody'
	replies 'Content-Type: text/plain\nTransfer-Encoding: identity\n\nbody' \
		'Content-Type: text/plain\r\n\r\nbody'
}

@test "fields that are not known are passed on" {
	start_wrapper
	replies 'Content-Type: text/plain\nSet-Cookie: a=b\nSet-Cookie: c=d\nX_y.z: :\nContent-Length: 2\n\nok' \
		'Content-Type: text/plain\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nX_y.z: :\r\nContent-Length: 2\r\n\r\nok'
}

@test "a reply that ends within its header is completed, and logged" {
	start_wrapper
	replies 'Content-Type: text/plain\nX: y\n' 'Content-Type: text/plain\r\nX: y\r\n\r\n'
	logged 'reply.sh: its output ends within the header'
}

@test "a reply that ends within a line of its header is 502" {
	start_wrapper
	script cut.sh <<-'END'
		#!/bin/sh
		printf 'Status: 302 Found\nLocation: http://127.0.0.1/adm'
	END
	refused 502 'cut.sh: exited with status 0 .*within its header' get "$T/cut.sh"
}

@test "a line of a header that is no field is left out, and logged" {
	start_wrapper
	replies '<!--: spam\nContent-Type: text/html\n\nbody' 'Content-Type: text/html\r\n\r\nbody'
	logged 'reply.sh: lines left out of its header: 1, the first is "<!--: spam"'
}

@test "a header whose lines end in carriage returns alone is 502" {
	start_wrapper
	script cr.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\r\rbody\n'
	END
	refused 502 'cr.sh: its header lines end in carriage returns alone' get "$T/cr.sh"
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

@test "a request cannot pose as a message of ours" {
	start_wrapper
	ask get 'worker 4711 was killed by signal 9 (Killed); starting another'
	logged '^fcgiwrap: script worker 4711 was killed'
	: >"$T/log"
	ask get "/$(printf '%02000d' 7)" expect-end
	logged '^fcgiwrap: no such script: /0{299}\.\.\. does not exist$'
	: >"$T/log"
	ask get "$(printf '%02000d' 7)" expect-end
	logged '^fcgiwrap: script 0{300}\.\.\.: not an absolute path$'
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
