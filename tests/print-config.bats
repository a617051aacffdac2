#!/usr/bin/env bats
# What --print-config prints works as it is, but for the port and the folders of the test.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper
load clients

# printed FOR [OPTION...]: of the fcgiwrap that runs, in $T/printed, on port $PORT instead of 80.
printed() {
	PORT=$(free_port)
	URL=http://127.0.0.1:$PORT
	NGINX_SOCKET=
	"$FCGIWRAP" -s "$SOCKET" "${OPTIONS[@]}" --print-config "$@" |
		sed "s/:80\b/127.0.0.1:$PORT/; s/listen 80;/listen 127.0.0.1:$PORT;/" >"$T/printed"
}

# A wrapper for scripts in a folder named like in a URL; web servers of other users reach it.
begin() {
	open_to_others
	mkdir -p "$T/srv"
	cp -R "$CGI" "$T/srv/cgi-bin"
	OPTIONS=(--root "$T/srv/cgi-bin" --status /status --ping /ping)
	start_wrapper "${OPEN[@]}" "${OPTIONS[@]}"
}

# A script, with a path behind it, and what fcgiwrap answers itself; not for other addresses.
all_is_served() {
	eventually -t 20 curl_ -f "$URL/ping" || { logs_show; return 1; }
	fetch /cgi-bin/hello.sh
	answers 200
	[[ $output == *hello* ]]
	fetch '/cgi-bin/env.sh/path/info?a=b'
	answers 200
	has_line PATH_INFO=/path/info QUERY_STRING=a=b
	fetch --data-binary @"$CGI/hello.sh" /cgi-bin/sum.sh
	answers 200
	fetch /status
	answers 200
	[[ $output == *'pool:'*fcgiwrap* ]]
	fetch /cgi-bin/none
	answers 404
}

@test "nginx" {
	need nginx curl
	begin
	printed nginx
	nginx_params >"$T/fastcgi_params"
	NGINX_HTTP="include $T/printed;" nginx_config "unix:$T/other" '' >"$T/nginx.conf"
	start nginx nginx -p "$T" -c "$T/nginx.conf" -e "$T/nginx-error.log"
	all_is_served
	fetch --interface 127.0.0.1 /status
	answers 200
	sed -i 's/allow 127.0.0.1;//' "$T/printed"
	stop nginx
	start nginx nginx -p "$T" -c "$T/nginx.conf" -e "$T/nginx-error.log"
	eventually curl_ -f "$URL/ping"
	fetch /status
	answers 403
}

@test "lighttpd" {
	need lighttpd curl
	begin
	printed lighttpd
	{
		printf 'server.port = %s\nserver.bind = "127.0.0.1"\nserver.document-root = "%s"\n' \
			"$PORT" "$T/srv"
		printf 'server.errorlog = "%s"\nserver.upload-dirs = ("%s")\n' "$T/error.log" "$T"
		cat "$T/printed"
	} >"$T/lighttpd.conf"
	start lighttpd lighttpd -D -f "$T/lighttpd.conf"
	all_is_served
	stop lighttpd
	sed -i 's|127.0.0.0/8|10.0.0.0/8|' "$T/lighttpd.conf"
	start lighttpd lighttpd -D -f "$T/lighttpd.conf"
	eventually curl_ -f "$URL/ping"
	fetch /status
	[ "$status_" != 200 ]
}

@test "Apache" {
	local modules=/usr/lib/apache2/modules

	need apache2 curl
	[ -e "$modules/mod_proxy_fcgi.so" ] || skip 'no mod_proxy_fcgi here'
	begin
	printed apache
	{
		printf '%s\n' "ServerRoot $T" "DefaultRuntimeDir $T" 'ServerName localhost' \
			"Listen 127.0.0.1:$PORT" "PidFile $T/apache.pid" "ErrorLog $T/apache-error.log"
		for module in mpm_event authz_core authz_host alias proxy proxy_fcgi; do
			echo "LoadModule ${module}_module $modules/mod_$module.so"
		done
		[ "$EUID" != 0 ] || printf '%s\n' 'User www-data' 'Group www-data'
		cat "$T/printed"
	} >"$T/apache.conf"
	start apache apache2 -d "$T" -f "$T/apache.conf" -DFOREGROUND
	all_is_served
}

@test "HAProxy" {
	need haproxy curl
	begin
	printed haproxy
	start haproxy haproxy -db -f "$T/printed"
	all_is_served
	run ! grep -i warning "$T/haproxy.log"
}

@test "Caddy" {
	need caddy curl
	begin
	printed caddy
	{
		printf '{\n\tadmin off\n\tauto_https off\n}\n'
		sed "s/^127/http:\/\/127/" "$T/printed"
	} >"$T/Caddyfile"
	start caddy env HOME="$T" XDG_DATA_HOME="$T" XDG_CONFIG_HOME="$T" \
		caddy run --config "$T/Caddyfile" --adapter caddyfile
	all_is_served
}

@test "systemd: a socket and a service, with the options as they were given" {
	OPTIONS=()
	SOCKET=unix:/run/cgi.socket
	# shellcheck disable=SC1003 # a backslash at the end
	printed systemd --root /srv/cgi-bin --env 'A=b "c" $d %e\' -f --socket-owner nginx \
		--socket-mode 0600 --timeout 2m
	output=$(cat "$T/printed")
	has_line ListenStream=/run/cgi.socket SocketUser=nginx SocketMode=0600 Type=notify
	[[ $output == *'/fcgiwrap --root /srv/cgi-bin --env "A=b \"c\" $$d %%e\\" -f --timeout 2m'$'\n'* ]]
}

# units FOLDER: what is printed for systemd, as files there.
units() {
	mkdir "$1"
	awk -v folder="$1" '/^# \/etc\/systemd\/system\// { file = folder "/" substr($2, 21); next }
		{ print > file }' "$T/printed"
}

@test "systemd finds nothing wrong with it" {
	need systemd-analyze
	OPTIONS=()
	SOCKET=unix:/run/cgi.socket
	printed systemd --root /srv/cgi-bin --env 'A=b "c" $d %e' --pool-name cgi --status /status
	units "$T/units"
	[ "$(ls "$T/units")" = $'cgi.service\ncgi.socket' ]
	# What is to be started need not be installed.
	sed -i "s|^ExecStart=[^ ]*|ExecStart=$FCGIWRAP|" "$T/units/cgi.service"
	run systemd-analyze verify --man=no "$T/units"/*
	[ "$status" = 0 ]
	[ "$output" = '' ]
}

@test "the time-out of a web server is longer than all of fcgiwrap's in a row" {
	OPTIONS=()
	printed nginx --queue-timeout 10 --start-timeout 20 --timeout 40 --kill-after 3
	grep -q 'fastcgi_read_timeout 78s;' "$T/printed"
	printed nginx --queue-timeout 10 --start-timeout 20 --timeout 0 --silence-timeout 50 --kill-after 3
	grep -q 'fastcgi_read_timeout 88s;' "$T/printed"
}

@test "a web server takes bodies as large as fcgiwrap does" {
	OPTIONS=()
	printed nginx --max-body 3m
	grep -q 'client_max_body_size 3145728;' "$T/printed"
	printed nginx --max-body 0
	grep -q 'client_max_body_size 1;' "$T/printed"
	printed apache --max-body 3m
	printed lighttpd --max-body 1000
	grep -q 'max-request-size = 1$' "$T/printed"
}

@test "one script is served from where it is" {
	need nginx curl
	open_to_others
	mkdir "$T/bin"
	cp "$CGI/hello.sh" "$T/bin"
	OPTIONS=(-p "$T/bin/hello.sh")
	start_wrapper "${OPEN[@]}" "${OPTIONS[@]}"
	printed nginx
	nginx_params >"$T/fastcgi_params"
	NGINX_HTTP="include $T/printed;" nginx_config "unix:$T/other" '' >"$T/nginx.conf"
	start nginx nginx -p "$T" -c "$T/nginx.conf" -e "$T/nginx-error.log"
	eventually curl_ -f "$URL/bin/hello.sh" || { logs_show; return 1; }
}

# in_words TEXT: what a line such as ENTRYPOINT ["a", "b"] has, a line each.
in_words() {
	perl -MJSON::PP -ne 'print "$_\n" for @{JSON::PP->new->decode(s/^\S+ (.* CMD )?//r)}' <<<"$1"
}

@test "docker: what it starts serves, and its health check says so" {
	local line words=()

	[ "$EUID" != 0 ] || chmod 755 "$T"
	OPTIONS=()
	SOCKET=unix:$T/s
	printed docker --root "$CGI" --env $'A="b"\n'
	sed -i "s|\"[^\"]*/spawn-fcgi\"|\"$SPAWN_FCGI\"|; s|\"[^\"]*/fcgiwrap\"|\"$FCGIWRAP\"|" "$T/printed"
	mapfile -t words < <(in_words "$(grep ^ENTRYPOINT "$T/printed")")
	start container "${words[@]}"
	mapfile -t words < <(in_words "$(sed -n 's/^HEALTHCHECK.* CMD/CMD/p' "$T/printed")")
	eventually "${words[@]}" || { logs_show; return 1; }
	run ! grep "no such script" "$T/container.log"
	"$SPAWN_FCGI" --request "$T/s" "$CGI/hello.sh" >"$T/answer"
	grep -q hello "$T/answer"
}

@test "spawn-fcgi: nginx in front of a pool, with its status" {
	need nginx curl
	open_to_others
	PORT=$(free_port)
	URL=http://127.0.0.1:$PORT
	words=(-s "$T/s" -M 0666 --supervise --status "$T/status" --request-timeout 30 --pool-name app)
	start pool "$SPAWN_FCGI" -n "${words[@]}" -- "$FCGIWRAP"
	"$SPAWN_FCGI" "${words[@]}" --print-config nginx -- "$FCGIWRAP" |
		sed "s/listen 80;/listen 127.0.0.1:$PORT; root ${CGI//\//\\/};/" >"$T/printed"
	nginx_params >"$T/fastcgi_params"
	NGINX_HTTP="include $T/printed;" nginx_config "unix:$T/other" '' >"$T/nginx.conf"
	start nginx nginx -p "$T" -c "$T/nginx.conf" -e "$T/nginx-error.log"
	NGINX_SOCKET=
	eventually curl_ -f "$URL/hello.sh" || { logs_show; return 1; }
	grep -q 'fastcgi_read_timeout 35s;' "$T/printed"
	fetch /status
	answers 200
	[[ $output == *'pool:'*app* ]]
}

@test "spawn-fcgi: a unit for each way of starting" {
	unit() { "$SPAWN_FCGI" -s /run/app.socket "$@" --print-config systemd -- /usr/lib/app.fcgi 'a b'; }
	output=$(unit --supervise -F 3)
	has_line Type=notify
	[[ $output == *'/spawn-fcgi -n -s /run/app.socket --supervise -F 3 -- /usr/lib/app.fcgi "a b"'$'\n'* ]]
	output=$(unit)
	has_line Type=simple
	[[ $output == *'/spawn-fcgi -n -s /run/app.socket -- /usr/lib/app.fcgi "a b"'$'\n'* ]]
	output=$(unit -F 3)
	has_line Type=forking
	[[ $output == *'/spawn-fcgi -s /run/app.socket -F 3 -- /usr/lib/app.fcgi "a b"'$'\n'* ]]
}

@test "a port on any address is asked for on this host" {
	"$SPAWN_FCGI" -p 9000 --print-config nginx -- /bin/true | grep -q 'server 127.0.0.1:9000;'
	"$SPAWN_FCGI" -a ::1 -p 9000 --print-config caddy -- /bin/true | grep -qF 'reverse_proxy [::1]:9000 {'
	"$FCGIWRAP" -s 'tcp6:[::]:9000' --print-config lighttpd |
		grep -q '"host" => "::1", "port" => 9000,'
	"$FCGIWRAP" -s tcp:0.0.0.0:9000 --print-config systemd | grep -qx ListenStream=0.0.0.0:9000
}

@test "what is not to be had, or not to be written, is said" {
	run ! "$FCGIWRAP" --print-config iis
	[ "$output" = 'fcgiwrap: --print-config knows no "iis", but nginx, lighttpd, apache, haproxy, caddy, systemd, docker' ]
	run ! "$FCGIWRAP" --root '/srv/$x' --print-config nginx
	[[ $output == *'--print-config nginx cannot write "/srv/$x"'* ]]
	run ! "$FCGIWRAP" -s 'unix:/run/a b' --print-config nginx
	[[ $output == *'cannot write "/run/a b"'* ]]
	run -255 "$SPAWN_FCGI" -s /run/s --print-config iis -- /bin/true
	[[ $output == *'knows no "iis"'* ]]
	[ ! -e /dev/full ] || { run ! bash -c '"$0" --print-config nginx >/dev/full' "$FCGIWRAP"
		[[ $output == *'cannot write to standard output'* ]]; }
}
