#!/usr/bin/env bats
# fcgiwrap behind real web servers and clients.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # $variables of nginx; what lib.bash sets and reads

load lib
load wrapper

MIB=1048576

# start_site [ADDRESS]: nginx in front of fcgiwrap. Scripts are below /cgi/, as most set it up: by
# DOCUMENT_ROOT and SCRIPT_NAME alone. /raw/ passes everything on as it comes, and /kept/ over
# connections that are kept.
start_site() {
	NGINX_HTTP="upstream kept { server unix:${SOCKET#unix:}; keepalive 4; }" \
		start_nginx "$@" <<-END
		include fastcgi_params;
		fastcgi_param DOCUMENT_ROOT ${CGI%/cgi};
		location /cgi/ {
			fastcgi_pass unix:@SOCKET@;
		}
		location /raw/ {
			rewrite ^/raw/(.*) /cgi/\$1 break;
			fastcgi_buffering off;
			fastcgi_request_buffering off;
			fastcgi_pass unix:@SOCKET@;
		}
		location /kept/ {
			rewrite ^/kept/(.*) /cgi/\$1 break;
			fastcgi_keep_conn on;
			fastcgi_pass kept;
		}
		location ~ ^/git(/.*) {
			include fastcgi_params;
			fastcgi_param SCRIPT_FILENAME $(git --exec-path 2>/dev/null)/git-http-backend;
			fastcgi_param PATH_INFO \$1;
			fastcgi_param GIT_PROJECT_ROOT @T@;
			fastcgi_param GIT_HTTP_EXPORT_ALL 1;
			fastcgi_pass unix:@SOCKET@;
		}
	END
}

# fetch PATH [CURL-ARGUMENT...]: $output is the header and the body of the answer.
fetch() {
	local path=$1

	shift
	run --separate-stderr curl_ -i "$@" "$URL$path"
	[ "$status" = 0 ] || { echo "$stderr"; return 1; }
	output=${output//$'\r'/}
}

@test "nginx: GET" {
	start_wrapper
	start_site
	fetch '/cgi/env.sh?a=b&c=d'
	has 'HTTP/1.1 200'
	has_line 'QUERY_STRING=a=b&c=d' REQUEST_METHOD=GET SCRIPT_NAME=/cgi/env.sh GATEWAY_INTERFACE=CGI/1.1
	lacks PATH_INFO
}

@test "nginx: PATH_INFO is found without its help" {
	start_wrapper
	start_site
	fetch '/cgi/env.sh/some/path?query'
	has_line SCRIPT_NAME=/cgi/env.sh PATH_INFO=/some/path QUERY_STRING=query \
		"PATH_TRANSLATED=${CGI%/cgi}/some/path"
}

@test "nginx: a parameter that is set again has its last value" {
	start_wrapper
	start_site
	fetch /cgi/env.sh
	has_line "DOCUMENT_ROOT=${CGI%/cgi}"
	[ "$(grep -c ^DOCUMENT_ROOT= <<<"$output")" = 1 ]
}

@test "nginx: a Proxy header steers no script" {
	start_wrapper
	start_site
	fetch /cgi/env.sh -H 'Proxy: http://evil'
	has_line REQUEST_METHOD=GET
	lacks evil
}

@test "nginx: POST" {
	start_wrapper
	start_site
	fetch /cgi/echo --data-binary 'a body'
	has_line 'a body'
	fetch /cgi/length.sh --data-binary 'a body'
	has_line CONTENT_LENGTH=6 bytes=6
	fetch /cgi/length.sh -X POST
	has_line bytes=0
}

@test "nginx: HEAD has the header of GET" {
	start_wrapper
	start_site
	fetch /cgi/hello.sh -I
	has_line 'Content-Type: text/plain'
	lacks hello$'\n'
}

@test "nginx: a script's Status is the status" {
	start_wrapper
	start_site
	fetch '/cgi/status.sh?404+Not+Found'
	has 'HTTP/1.1 404 Not Found'
	fetch '/cgi/status.sh?201'
	has 'HTTP/1.1 201'
	lacks Status:
}

@test "nginx: a script's Location redirects" {
	start_wrapper
	start_site
	fetch '/cgi/location.sh?http://localhost/x'
	has 'HTTP/1.1 302 '
	has_line 'Location: http://localhost/x'
}

@test "nginx: scripts that cannot run have statuses of their own" {
	start_wrapper
	start_site
	fetch /cgi/missing.sh
	has 'HTTP/1.1 404 '
	fetch /cgi/no-x-bit.sh
	has 'HTTP/1.1 403 '
	fetch /cgi/crash.sh
	has 'HTTP/1.1 502 '
	fetch /cgi/no-output.sh
	has 'HTTP/1.1 502 '
	fetch /cgi/bad-interpreter.sh
	has 'HTTP/1.1 502 '
}

@test "nginx: with -f its error log has what scripts say" {
	start_wrapper -f
	start_site
	fetch /cgi/stderr.sh
	has_line 'line 1' 'line 2'
	lacks complaint
	in_file 'FastCGI sent in stderr: "complaint 1' "$T/nginx-error.log"
	in_file 'complaint 3' "$T/nginx-error.log"
	fetch /cgi/missing.sh
	in_file "FastCGI sent in stderr: \".*$CGI/missing.sh does not exist" "$T/nginx-error.log"
}

@test "nginx: its error log has nothing to say of sound requests" {
	start_wrapper
	start_site
	fetch /cgi/hello.sh
	fetch /cgi/echo --data-binary body
	fetch /kept/hello.sh
	fetch /kept/echo --data-binary body
	not grep -E '\[(error|crit|alert|warn)\]' "$T/nginx-error.log"
	logged_times 0 .
}

# fetch_many PATH [CURL-ARGUMENT...]: 100 requests at once, each of which is answered with 200.
fetch_many() {
	local path=$1

	shift
	run --separate-stderr curl_ -Z --parallel-immediate --parallel-max 100 -w '%{http_code}\n' "$@" \
		"$URL$path?[1-100]"
	[ "$(grep -cx 200 <<<"$output")" = 100 ]
}

@test "nginx: 100 requests at once" {
	start_wrapper
	start_site
	fetch_many /cgi/echo --data-binary $'a body\n'
	[ "$(grep -cx 'a body' <<<"$output")" = 100 ]
}

@test "nginx: 100 requests at once over kept connections" {
	start_wrapper
	start_site
	fetch_many /kept/echo --data-binary $'a body\n'
	[ "$(grep -cx 'a body' <<<"$output")" = 100 ]
}

has_descriptors() {
	[ "$(descriptors "$(worker)")" = "$1" ]
}

@test "nginx: a kept connection serves request after request" {
	local before path

	need_proc
	start_wrapper -c 1
	start_site
	fetch /cgi/hello.sh
	before=$(descriptors "$(worker)")
	for path in hello.sh env.sh missing.sh crash.sh hello.sh; do
		fetch "/kept/$path"
	done
	fetch /kept/echo --data-binary body
	has_line body
	eventually has_descriptors $((before + 1))
}

@test "nginx: a chunked upload, stored first" {
	start_wrapper
	start_site
	head -c 300000 /dev/zero >"$T/body"
	fetch /cgi/length.sh -H 'Transfer-Encoding: chunked' --data-binary "@$T/body"
	has_line CONTENT_LENGTH=300000 bytes=300000
}

@test "nginx: a chunked upload, passed on as it comes" {
	start_wrapper
	start_site
	head -c 300000 /dev/zero >"$T/body"
	fetch /raw/length.sh -H 'Transfer-Encoding: chunked' --data-binary "@$T/body"
	has_line CONTENT_LENGTH=300000 bytes=300000
}

@test "nginx: 100 MiB down and up" {
	local sum

	start_wrapper
	start_site
	QUERY_STRING=100 "$CGI/stream.sh" | tail -n +3 >"$T/body"
	sum=$(cksum <"$T/body")
	[ "$(curl_ "$URL/cgi/stream.sh?100" | cksum)" = "$sum" ]
	fetch /cgi/sum.sh -H 'Expect:' -T "$T/body" -X POST
	has_line "bytes=$((100 * MIB)) cksum=${sum%% *}"
	fetch /raw/sum.sh -H 'Expect:' -T "$T/body" -X POST
	has_line "bytes=$((100 * MIB)) cksum=${sum%% *}"
}

@test "nginx: a script may begin its answer before it has read the body" {
	start_wrapper
	start_site
	head -c $((3 * MIB)) /dev/zero >"$T/body"
	fetch /cgi/echo -H 'Expect:' --data-binary "@$T/body" -o "$T/answer"
	tail -c $((3 * MIB)) "$T/answer" | cmp - "$T/body"
}

@test "nginx: an answer comes though the body was not read" {
	start_wrapper
	start_site
	head -c $((3 * MIB)) /dev/zero >"$T/body"
	fetch /cgi/answer-early.sh -H 'Expect:' --data-binary "@$T/body"
	has 'HTTP/1.1 413 ' 'too large'
	fetch /raw/answer-early.sh -H 'Expect:' --data-binary "@$T/body"
	has 'HTTP/1.1 413 '
}

@test "nginx: output comes when it is written" {
	start_wrapper
	start_site
	start curl curl -sSN --max-time 30 --unix-socket "$NGINX_SOCKET" "$URL/raw/wait.sh?$T/go"
	in_file '^waiting pid=' "$T/curl.out"
	: >"$T/go"
	await curl
	grep -qx "done" "$T/curl.out"
}

@test "nginx: a client that leaves ends its script" {
	start_wrapper
	start_site
	start curl curl -sSN --max-time 30 --unix-socket "$NGINX_SOCKET" "$URL/raw/wait.sh?$T/go"
	in_file '^waiting pid=' "$T/curl.out"
	kill "$(pid_of curl)"
	eventually gone "$(sed -n 's/^waiting pid=//p' "$T/curl.out")"
}

git_() {
	GIT_CONFIG_NOSYSTEM=1 HOME=$T GIT_TERMINAL_PROMPT=0 git -c user.name=A -c user.email=a@b \
		-c init.defaultBranch=main -c http.proxy= -c safe.directory='*' "$@"
}

@test "nginx: git clones and pushes" {
	need git
	[ -x "$(git --exec-path)/git-http-backend" ] || skip 'no git-http-backend here'
	HOME=$T start_wrapper
	start_site "127.0.0.1:$(free_port)"
	git_ init -q --bare "$T/origin.git"
	git_ -C "$T/origin.git" config http.receivepack true
	git_ init -q "$T/first"
	perl -e 'srand 1; print pack "N", int rand 2 ** 32 for 1 .. 750000' >"$T/first/large"
	git_ -C "$T/first" add large
	git_ -C "$T/first" commit -qm large
	git_ -C "$T/first" push -q "$URL/git/origin.git" HEAD:refs/heads/main
	git_ clone -q "$URL/git/origin.git" "$T/second" -b main
	cmp "$T/first/large" "$T/second/large"
	[ "$(git_ -C "$T/first" rev-parse HEAD)" = "$(git_ -C "$T/second" rev-parse HEAD)" ]
	not grep -E '\[(error|crit|alert)\]' "$T/nginx-error.log"
}

@test "nginx: a form with files, read by CGI.pm" {
	perl -MCGI -MDigest::MD5 -e 1 2>/dev/null || skip 'no CGI.pm here'
	start_wrapper
	start_site
	head -c 2000000 /dev/urandom >"$T/large.bin"
	printf 'one line\n' >"$T/small.txt"
	fetch /cgi/upload.pl -F name=value -F "large=@$T/large.bin" -F "small=@$T/small.txt"
	has_line 'field name=value'
	has_line "file large=large.bin size=2000000 md5=$(md5sum <"$T/large.bin" | cut -c 1-32)"
	has_line "file small=small.txt size=9 md5=$(md5sum <"$T/small.txt" | cut -c 1-32)"
}

# cgi_fcgi NAME=VALUE...: the client that comes with the reference library, in this environment.
cgi_fcgi() {
	run --separate-stderr env -i PATH="$PATH" REQUEST_METHOD=GET "$@" \
		cgi-fcgi -bind -connect "${SOCKET#unix:}"
}

@test "cgi-fcgi: an answer, and the script's exit status" {
	need cgi-fcgi
	start_wrapper
	cgi_fcgi SCRIPT_FILENAME="$CGI/exit.sh" QUERY_STRING=7
	[ "$status" = 7 ]
	has 'exit 7'
}

@test "cgi-fcgi: a body" {
	need cgi-fcgi
	start_wrapper
	head -c 200000 /dev/zero >"$T/body"
	cgi_fcgi SCRIPT_FILENAME="$CGI/length.sh" REQUEST_METHOD=POST CONTENT_LENGTH=200000 <"$T/body"
	[ "$status" = 0 ]
	has_line CONTENT_LENGTH=200000 bytes=200000
}

@test "cgi-fcgi: standard error" {
	need cgi-fcgi
	start_wrapper -f
	cgi_fcgi SCRIPT_FILENAME="$CGI/stderr.sh"
	[ "$status" = 0 ]
	has 'line 2'
	[[ $stderr == *'complaint 1'* ]]
}
