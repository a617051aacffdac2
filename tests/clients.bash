# Real web servers in front of fcgiwrap ("load lib; load wrapper; load clients"). Each start_...
# needs a running wrapper at $SOCKET, serves what is in $CGI, and returns when it does. Then curl_
# and fetch reach it, at $URL.
#
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # NGINX_SOCKET is for curl_; T and CGI are of lib.bash

# fetch [CURL-OPTION...] PATH: $status_ is the HTTP status, $output the body.
fetch() {
	local options=("${@:1:$#-1}")

	status_=$(curl_ "${options[@]}" -o "$T/body" -w '%{http_code}' "$URL${*: -1}") ||
		{ echo "curl: $?"; return 1; }
	output=$(head -c 100000 "$T/body" | tr -d '\0')
}

# answers STATUS: fetch has got that.
answers() {
	[ "$status_" = "$1" ] || { printf 'status %s:\n%s\n' "$status_" "$output"; return 1; }
}

# Programs that run as root and serve as somebody else have to reach our files. Options for
# start_wrapper are put into $OPEN.
open_to_others() {
	OPEN=()
	if [ "$EUID" = 0 ]; then
		id www-data >/dev/null 2>&1 || skip 'no user www-data here'
		chmod 755 "$T"
		OPEN=(--socket-mode 0666)
	fi
}

# start_haproxy [LINE...]: with these lines in its fcgi-app section.
start_haproxy() {
	need haproxy curl
	NGINX_SOCKET=$T/haproxy.sock
	URL=http://localhost
	{
		cat <<-END
			global
				maxconn 1000
				log stdout format raw local0
				stats socket $T/haproxy-stats.sock
			defaults
				mode http
				timeout connect 5s
				timeout client 60s
				timeout server 60s
				option abortonclose
				option httplog
				log global
			frontend web
				bind unix@$NGINX_SOCKET
				default_backend scripts
			backend scripts
				use-fcgi-app wrapper
				http-reuse always
				server wrapper unix@${SOCKET#unix:} proto fcgi ${HAPROXY_SERVER-}
			fcgi-app wrapper
				docroot $CGI
				path-info ^(/[^/]+)(/.*)?\$
		END
		printf '\t%s\n' "$@"
	} >"$T/haproxy.cfg"
	start haproxy haproxy -db -f "$T/haproxy.cfg"
	eventually curl_ -f "$URL/hello.sh" || { logs_show; return 1; }
}

# start_apache [LINE...]: with these lines at the end of its configuration.
start_apache() {
	local modules=/usr/lib/apache2/modules

	need apache2 curl
	[ -e "$modules/mod_proxy_fcgi.so" ] || skip 'no mod_proxy_fcgi here'
	NGINX_SOCKET=
	PORT=$(free_port)
	URL=http://127.0.0.1:$PORT
	{
		cat <<-END
			ServerRoot $T
			DefaultRuntimeDir $T
			ServerName localhost
			Listen 127.0.0.1:$PORT
			PidFile $T/apache.pid
			ErrorLog $T/apache-error.log
			LoadModule mpm_event_module $modules/mod_mpm_event.so
			LoadModule authz_core_module $modules/mod_authz_core.so
			LoadModule proxy_module $modules/mod_proxy.so
			LoadModule proxy_fcgi_module $modules/mod_proxy_fcgi.so
			ProxyTimeout 60
			ProxyPass / "unix:${SOCKET#unix:}|fcgi://localhost$CGI/"
		END
		[ "$EUID" != 0 ] || printf '%s\n' 'User www-data' 'Group www-data'
		printf '%s\n' "$@"
	} >"$T/apache.conf"
	start apache apache2 -d "$T" -f "$T/apache.conf" -DFOREGROUND
	eventually curl_ -f "$URL/hello.sh" || { logs_show; return 1; }
}

# start_lighttpd [LINE...]: with these lines in its configuration, else all is for the wrapper.
start_lighttpd() {
	need lighttpd curl
	NGINX_SOCKET=$T/lighttpd.sock
	URL=http://localhost
	{
		cat <<-END
			server.document-root = "$CGI"
			server.bind = "$NGINX_SOCKET"
			server.errorlog = "$T/lighttpd-error.log"
			server.upload-dirs = ("$T")
			server.modules = ("mod_fastcgi")
			server.stream-request-body = ${LIGHTTPD_STREAM-0}
			server.stream-response-body = ${LIGHTTPD_STREAM-0}
		END
		if [ $# -gt 0 ]; then
			printf '%s\n' "$@"
		else
			printf 'fastcgi.server = (".sh" => ((%s, %s)))\n' \
				"\"socket\" => \"${SOCKET#unix:}\"" '"check-local" => "disable"'
		fi
	} >"$T/lighttpd.conf"
	start lighttpd lighttpd -D -f "$T/lighttpd.conf"
	eventually curl_ -f "$URL/hello.sh" || { logs_show; return 1; }
}

start_caddy() {
	need caddy curl
	NGINX_SOCKET=
	PORT=$(free_port)
	URL=http://127.0.0.1:$PORT
	cat >"$T/Caddyfile" <<-END
		{
			admin off
			auto_https off
		}
		http://127.0.0.1:$PORT {
			reverse_proxy unix/${SOCKET#unix:} {
				transport fastcgi {
					root $CGI
					split .sh
				}
			}
		}
	END
	start caddy env HOME="$T" XDG_DATA_HOME="$T" XDG_CONFIG_HOME="$T" \
		caddy run --config "$T/Caddyfile" --adapter caddyfile
	eventually -t 20 curl_ -f "$URL/hello.sh" || { logs_show; return 1; }
}

# A file of so many bytes, and what sum.sh says of it.
make_body() {
	head -c "$1" /dev/urandom >"$T/upload"
	SUM=$(cksum <"$T/upload" | { read -r sum bytes && echo "bytes=$bytes cksum=$sum"; })
}

# The usual business, with any server.
serves_get() {
	fetch /hello.sh
	answers 200
	[ "$output" = hello ]
	fetch '/env.sh?a=1&b=%20x'
	has_line 'QUERY_STRING=a=1&b=%20x' REQUEST_METHOD=GET
}

serves_post() {
	make_body 300000
	fetch --data-binary @"$T/upload" -H 'Expect:' /sum.sh
	answers 200
	[ "$output" = "$SUM" ]
	make_body 5
	fetch --data-binary @"$T/upload" /sum.sh
	[ "$output" = "$SUM" ]
}

# Without a Content-Length.
serves_chunked_post() {
	make_body 300000
	fetch -X POST -T "$T/upload" -H 'Transfer-Encoding: chunked' -H 'Expect:' /sum.sh
	answers 200
	[ "$output" = "$SUM" ]
}

serves_errors() {
	fetch /no-such.sh
	answers 404
	fetch '/status.sh?500'
	answers 500
	[ "$output" = 'status 500' ]
	fetch '/status.sh?404'
	answers 404
	fetch /no-output.sh
	answers 502
}

serves_download() {
	local mib=${1:-20}

	fetch "/big.sh?$mib"
	answers 200
	[ "$(cksum <"$T/body")" = "$(QUERY_STRING=$mib "$CGI/big.sh" | tail -n +3 | cksum)" ]
}

# A script that answers without having read its body, which is large.
serves_early_answer() {
	make_body 5000000
	fetch --data-binary @"$T/upload" -H 'Expect:' /answer-early.sh
	answers 413
	[ "$output" = 'too large' ]
}
