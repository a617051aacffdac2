#!/usr/bin/env bats
# fcgiwrap behind the web servers that people have.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper
load clients

# start_nginx_with REQUEST-BUFFERING KEEP-CONN [LINE OF THE UPSTREAM]
start_nginx_with() {
	NGINX_HTTP="upstream wrapper { server unix:$T/s; ${3-} }" start_nginx <<-END
		location / {
			include fastcgi_params;
			fastcgi_param SCRIPT_FILENAME @CGI@\$fastcgi_script_name;
			fastcgi_request_buffering $1;
			fastcgi_keep_conn $2;
			fastcgi_pass wrapper;
		}
	END
}

serves_all() {
	serves_get
	serves_post
	serves_errors
	serves_download
	serves_early_answer
	serves_get
}

@test "nginx: the usual business, with request buffering" {
	start_wrapper
	start_nginx_with on off
	serves_all
	serves_chunked_post
}

@test "nginx: the usual business, without request buffering" {
	start_wrapper
	start_nginx_with off off
	serves_all
	serves_chunked_post
}

@test "nginx: the usual business, with kept connections and request buffering" {
	start_wrapper
	start_nginx_with on on 'keepalive 4;'
	serves_all
	serves_chunked_post
}

@test "nginx: the usual business, with kept connections and without request buffering" {
	start_wrapper
	start_nginx_with off on 'keepalive 4;'
	serves_all
	serves_chunked_post
}

@test "HAProxy: the usual business" {
	start_wrapper
	start_haproxy 'no option keep-conn'
	serves_all
}

@test "HAProxy: the usual business, with kept connections" {
	start_wrapper
	start_haproxy 'option keep-conn'
	serves_all
}

@test "HAProxy: its option get-values is answered, and does not hang" {
	start_wrapper
	start_haproxy 'option get-values' 'option keep-conn'
	serves_get
	serves_post
}

@test "HAProxy: the usual business, with many requests on one connection at once" {
	start_wrapper
	start_haproxy 'option get-values' 'option mpxs-conns' 'option keep-conn'
	serves_all
}

@test "HAProxy: 50 requests at once share few connections" {
	need_proc
	HAPROXY_SERVER='pool-max-conn 2'
	start_wrapper
	start_haproxy 'option mpxs-conns' 'option keep-conn' 'option get-values' 'option max-reqs 100'
	run curl_ -Z --parallel-immediate --parallel-max 50 -o "$T/#1" -w '%{http_code}\n' \
		"$URL/sleep.sh/[1-50]?0.5"
	[ "$(grep -cx 200 <<<"$output")" = 50 ] || { sort <<<"$output" | uniq -c; return 1; }
	# Far fewer than one for each.
	[ "$(fcgi_connections)" -le 15 ]
}

# How many connections HAProxy has opened to the wrapper, in all.
fcgi_connections() {
	perl -MIO::Socket::UNIX -e '
		my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die;
		print $s "show stat\n";
		my (%at, @names);
		while (<$s>) {
			chomp;
			my @f = split /,/;
			if (s/^# //) { @names = split /,/; @at{@names} = 0 .. $#names; next }
			print $f[$at{connect}] + 0, "\n" if $f[0] eq "scripts" && $f[1] eq "wrapper";
		}' "$T/haproxy-stats.sock"
}

@test "HAProxy: a slow request does not hold up its neighbours on the connection" {
	start_wrapper -c 1
	start_haproxy 'option mpxs-conns' 'option keep-conn' 'option get-values'
	start slow curl -sS --unix-socket "$NGINX_SOCKET" "$URL/wait.sh?$T/go"
	eventually has_children "$(worker)" 1
	serves_get
	: >"$T/go"
	await slow
	[ "$STATUS" = 0 ]
	grep -qx "done" "$T/slow.out"
}

@test "HAProxy: HEAD is answered" {
	start_wrapper
	start_haproxy 'option keep-conn'
	fetch -I /hello.sh
	answers 200
	fetch -I '/big.sh?1'
	answers 200
}

@test "HAProxy: a client that leaves ends its script" {
	start_wrapper -c 1
	start_haproxy 'no option keep-conn'
	start slow curl -sS --unix-socket "$NGINX_SOCKET" "$URL/sleep.sh?60"
	eventually has_children "$(worker)" 1
	kill "$(pid_of slow)"
	await slow
	eventually has_children "$(worker)" 0
}

@test "Apache: the usual business" {
	open_to_others
	start_wrapper "${OPEN[@]}"
	start_apache
	serves_all
}

@test "Apache: an upload without Content-Length" {
	open_to_others
	start_wrapper "${OPEN[@]}"
	start_apache
	serves_chunked_post
	make_body 100000
	fetch -T "$T/upload" -H 'Transfer-Encoding: chunked' -H 'Expect:' /length.sh
	has_line CONTENT_LENGTH=100000 bytes=100000
}

@test "Apache: a script gets a path without what the proxy has put before it" {
	open_to_others
	start_wrapper "${OPEN[@]}"
	start_apache
	fetch '/env.sh/some/info?query'
	has_line "SCRIPT_FILENAME=$CGI/env.sh" PATH_INFO=/some/info QUERY_STRING=query
	lacks proxy:
}

@test "Apache: a path that the proxy has encoded is decoded" {
	open_to_others
	start_wrapper "${OPEN[@]}"
	start_apache
	fetch '/env.sh/a%20b/c%2B'
	has_line 'PATH_INFO=/a b/c+' SCRIPT_NAME=/env.sh
}

@test "Apache: a Location without Status redirects" {
	open_to_others
	start_wrapper "${OPEN[@]}"
	start_apache
	fetch '/location.sh?http://localhost/there'
	answers 302
}

@test "Apache: its error log has what scripts say, with -f" {
	open_to_others
	start_wrapper -f "${OPEN[@]}"
	start_apache
	fetch /stderr.sh
	answers 200
	in_file 'complaint 1' "$T/apache-error.log"
	in_file 'complaint 3' "$T/apache-error.log"
}

@test "lighttpd: the usual business" {
	start_wrapper
	start_lighttpd
	serves_all
	serves_chunked_post
}

@test "lighttpd: the usual business, streaming" {
	start_wrapper
	LIGHTTPD_STREAM=2 start_lighttpd
	serves_get
	serves_post
	serves_errors
	serves_download
	serves_early_answer
}

@test "lighttpd: an authorizer decides who gets a file" {
	script authorize.sh <<-'END'
		#!/bin/sh
		case $FCGI_ROLE:$QUERY_STRING in
		AUTHORIZER:friend) printf 'Status: 200 OK\nVariable-NAME: friend\n\n' ;;
		*) printf 'Status: 403 Forbidden\nContent-Type: text/plain\n\ngo away\n' ;;
		esac
	END
	mkdir "$T/secret"
	echo treasure >"$T/secret/file.txt"
	cp "$CGI/hello.sh" "$T/hello.sh"
	# lighttpd asks for the file itself as the authorizing script.
	start_wrapper --interpreter .txt="$T/authorize.sh"
	start_lighttpd 'server.document-root := "'"$T"'"' \
		'fastcgi.server = ("/secret/" => ((
			"socket" => "'"$T/s"'", "mode" => "authorizer", "check-local" => "disable",
			"docroot" => "'"$T"'")))' \
		'mimetype.assign = ("" => "text/plain")'
	fetch /secret/file.txt?friend
	answers 200
	has_line treasure
	fetch /secret/file.txt?foe
	answers 403
	[ "$output" = 'go away' ]
}

@test "Caddy: the usual business" {
	start_wrapper
	start_caddy
	serves_get
	serves_post
	serves_errors
	serves_download
	serves_early_answer
}

@test "Caddy: an upload without Content-Length" {
	start_wrapper
	start_caddy
	serves_chunked_post
}

@test "Caddy: a Location without Status redirects" {
	start_wrapper
	start_caddy
	fetch '/location.sh?http://localhost/there'
	answers 302
}

# cgi_fcgi SCRIPT [NAME=VALUE...]: one request by cgi-fcgi.
cgi_fcgi() {
	need cgi-fcgi
	env -i PATH="$PATH" SCRIPT_FILENAME="$1" REQUEST_METHOD=GET "${@:2}" \
		cgi-fcgi -bind -connect "${SOCKET#unix:}" </dev/null
}

@test "cgi-fcgi: GET, a missing script, and a download" {
	need cgi-fcgi
	start_wrapper
	output=$(cgi_fcgi "$CGI/hello.sh")
	has hello
	output=$(cgi_fcgi "$CGI/no-such.sh")
	has 'Status: 404'
	[ "$(cgi_fcgi "$CGI/big.sh" QUERY_STRING=5 | tail -n +3 | wc -c)" = $((5 * 1048576)) ]
}

@test "cgi-fcgi: POST, and an answer without the body having been read" {
	need cgi-fcgi
	start_wrapper
	make_body 300000
	output=$(env -i PATH="$PATH" SCRIPT_FILENAME="$CGI/sum.sh" REQUEST_METHOD=POST \
		CONTENT_LENGTH=300000 cgi-fcgi -bind -connect "$T/s" <"$T/upload")
	has "$SUM"
	output=$(env -i PATH="$PATH" SCRIPT_FILENAME="$CGI/answer-early.sh" REQUEST_METHOD=POST \
		CONTENT_LENGTH=300000 cgi-fcgi -bind -connect "$T/s" <"$T/upload")
	has 'Status: 413'
}
