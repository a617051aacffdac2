#!/usr/bin/env bats
# The examples for web servers work as they are, but for the port and the places of the test.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper
load clients

FRONT=$FCGI_SOURCE/examples/front-ends

# A wrapper, and scripts in folders as the examples have them, in $T instead of /usr/lib.
begin() {
	open_to_others
	mkdir -p "$T/lib/cgi-live" "$T/lib/cgi-upload"
	cp -R "$CGI" "$T/lib/cgi-bin"
	cp -R "$CGI" "$T/lib/cgi-live/live"
	cp -R "$CGI" "$T/lib/cgi-upload/upload"
	PORT=$(free_port)
	URL=http://127.0.0.1:$PORT
	NGINX_SOCKET=
	start_wrapper "${OPEN[@]}" "$@"
}

# placed FILE: with our places in it.
placed() {
	sed -e "s|/run/fcgiwrap.socket|$T/s|; s|/usr/lib/git-core|$(git --exec-path 2>/dev/null)|" \
		-e "s,/usr/lib\(/cgi\|;\|$\),$T/lib\1,; s|/srv/git|$T/git|; s|listen 80;|listen 127.0.0.1:$PORT;|" \
		-e "s|bind :80|bind 127.0.0.1:$PORT|" "$FRONT/$1"
}

# nginx_with FILE
nginx_with() {
	need nginx curl
	placed "$1" >"$T/block"
	nginx_params >"$T/fastcgi_params"
	NGINX_HTTP="include $T/block;" nginx_config "unix:$T/other" '' |
		sed 's/client_max_body_size 0;//' >"$T/nginx.conf"
	start nginx nginx -p "$T" -c "$T/nginx.conf" -e "$T/nginx-error.log"
	eventually curl_ -o "$T/ready" "$URL/" || { logs_show; return 1; }
}

@test "nginx.conf" {
	begin
	nginx_with nginx.conf
	fetch '/cgi-bin/env.sh/path/info?a=b'
	answers 200
	has_line PATH_INFO=/path/info QUERY_STRING=a=b SCRIPT_NAME=/cgi-bin/env.sh
}

@test "nginx-kept.conf: requests share connections" {
	begin --status /status
	nginx_with nginx-kept.conf
	for _ in 1 2 3 4 5; do
		fetch /cgi-bin/hello.sh
		answers 200
	done
	ask get /x SCRIPT_NAME=/status
	[[ $output =~ connections:\ +([0-9]+) ]]
	# Others are those of this test.
	[ "${BASH_REMATCH[1]}" -le 4 ]
}

@test "nginx-git.conf: git clones and pushes, a large chunked push too" {
	need git
	export HOME=$T GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=user.name \
		GIT_CONFIG_VALUE_0=test GIT_CONFIG_KEY_1=user.email GIT_CONFIG_VALUE_1=test@localhost \
		GIT_CONFIG_KEY_2=safe.directory GIT_CONFIG_VALUE_2='*'
	begin
	git init -q --bare -b main "$T/git/site.git"
	git -C "$T/git/site.git" config http.receivepack true
	nginx_with nginx-git.conf
	git clone -q "$URL/git/site.git" "$T/one" 2>"$T/said"
	head -c 20000000 /dev/urandom >"$T/one/large"
	git -C "$T/one" add large
	git -C "$T/one" commit -q -m large
	git -C "$T/one" push -q origin HEAD:main
	git clone -q "$URL/git/site.git" "$T/two"
	cmp "$T/one/large" "$T/two/large"
}

@test "nginx-streaming.conf: output comes when it is written" {
	begin
	nginx_with nginx-streaming.conf
	cat >"$T/lib/cgi-live/live/bits.sh" <<-'SCRIPT'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nfirst\n'
		while [ ! -e "$QUERY_STRING" ]; do sleep 0.05; done
		echo last
	SCRIPT
	chmod 755 "$T/lib/cgi-live/live/bits.sh"
	start reader curl -sSN --max-time 60 "$URL/live/bits.sh?$T/go"
	in_file '^first$' "$T/reader.out"
	touch "$T/go"
	in_file '^last$' "$T/reader.out"
}

@test "nginx-uploads.conf: a script has the first bytes before the last are sent" {
	begin
	nginx_with nginx-uploads.conf
	cat >"$T/lib/cgi-upload/upload/early.sh" <<-'SCRIPT'
		#!/bin/sh
		read -r line
		echo "$line" >"$QUERY_STRING"
		cat >/dev/null
		printf 'Content-Type: text/plain\n\ndone\n'
	SCRIPT
	chmod 755 "$T/lib/cgi-upload/upload/early.sh"
	mkdir -m 0777 "$T/open"
	start sender perl -MIO::Socket::INET -e '
		my ($port, $out) = @ARGV;
		my $s = IO::Socket::INET->new("127.0.0.1:$port") or die;
		$s->autoflush(1);
		print $s "POST /upload/early.sh?$out HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n",
			"Connection: close\r\n\r\nfirst\n";
		for (1 .. 600) { last if -s $out; select undef, undef, undef, 0.05 }
		print $s "x" x 94;
		print while <$s>' "$PORT" "$T/open/line"
	in_file '^first$' "$T/open/line"
	in_file 'done' "$T/sender.out"
}

@test "nginx-status.conf: for this host" {
	begin --status /fcgiwrap-status --ping /fcgiwrap-ping
	nginx_with nginx-status.conf
	fetch /fcgiwrap-status
	answers 200
	[[ $output == *'pool:'*fcgiwrap* ]]
	fetch /fcgiwrap-ping
	answers 200
	[[ $output == pong* ]]
	sed -i 's/allow 127.0.0.1;//' "$T/block"
	stop nginx
	start nginx nginx -p "$T" -c "$T/nginx.conf" -e "$T/nginx-error.log"
	eventually curl_ -f "$URL/fcgiwrap-ping"
	fetch /fcgiwrap-status
	answers 403
}

@test "haproxy-mpxs.cfg: requests share a connection" {
	need haproxy curl
	begin
	placed haproxy-mpxs.cfg >"$T/haproxy.cfg"
	start haproxy haproxy -db -f "$T/haproxy.cfg"
	eventually curl_ -f "$URL/cgi-bin/hello.sh" || { logs_show; return 1; }
	fetch '/cgi-bin/env.sh/path/info?a=b'
	answers 200
	has_line PATH_INFO=/path/info QUERY_STRING=a=b
	run ! grep -i warning "$T/haproxy.log"
}

@test "h2o.conf" {
	need h2o curl
	begin
	{
		placed h2o.conf | sed "s|listen: 80|listen: {host: 127.0.0.1, port: $PORT}|"
		printf 'error-log: %s\n' "$T/h2o-error.log"
		[ "$EUID" != 0 ] || echo 'user: root'
	} >"$T/h2o.conf"
	start h2o h2o -m worker -c "$T/h2o.conf"
	eventually curl_ -f "$URL/cgi-bin/hello.sh" || { logs_show; return 1; }
	fetch '/cgi-bin/env.sh/path/info?a=b'
	answers 200
	has_line PATH_INFO=/path/info QUERY_STRING=a=b
}

# apache_with FILE MODULE...: Apache with an example, and these modules.
apache_with() {
	local file=$1 modules=/usr/lib/apache2/modules

	need apache2 curl
	shift
	{
		printf '%s\n' "ServerRoot $T" "DefaultRuntimeDir $T" 'ServerName localhost' \
			"Listen 127.0.0.1:$PORT" "PidFile $T/apache.pid" "ErrorLog $T/apache-error.log" \
			"DocumentRoot $T/www"
		for module in mpm_event authz_core "$@"; do
			[ -e "$modules/mod_$module.so" ] || skip "no mod_$module here"
			echo "LoadModule ${module}_module $modules/mod_$module.so"
		done
		[ "$EUID" != 0 ] || printf '%s\n' 'User www-data' 'Group www-data'
		placed "$file" | sed "s|/usr/sbin/fcgiwrap|$FCGIWRAP|; ${EDIT-}"
	} >"$T/apache.conf"
	start apache apache2 -d "$T" -f "$T/apache.conf" -DFOREGROUND
	eventually curl_ -o "$T/ready" "$URL/" || { logs_show; return 1; }
}

@test "apache-fcgid.conf: Apache starts fcgiwrap" {
	begin
	mkdir "$T/www" "$T/sockets"
	[ "$EUID" != 0 ] || chown www-data "$T/sockets"
	EDIT="\$ a FcgidIPCDir $T/sockets
		\$ a FcgidProcessTableFile $T/sockets/table" \
		apache_with apache-fcgid.conf alias fcgid
	fetch '/cgi-bin/env.sh/path/info?a=b'
	answers 200
	has_line PATH_INFO=/path/info QUERY_STRING=a=b
	head -c 300000 /dev/zero >"$T/upload"
	fetch --data-binary @"$T/upload" /cgi-bin/sum.sh
	answers 200
}

@test "apache-authnz.conf: a program that spawn-fcgi starts decides who gets in" {
	local port

	need perl
	perl -MFCGI -e 1 2>/dev/null || skip 'no FCGI.pm here'
	port=$(free_port)
	begin
	cat >"$T/who-may" <<-'PROGRAM'
		#!/usr/bin/perl
		use FCGI;
		my %env;
		my $request = FCGI::Request(\*STDIN, \*STDOUT, \*STDERR, \%env);
		while ($request->Accept >= 0) {
			my $good = "$env{REMOTE_USER}:$env{REMOTE_PASSWD}" eq 'me:secret';
			print 'Status: ', $good ? 200 : 401, "\r\n\r\n";
		}
	PROGRAM
	chmod 755 "$T/who-may"
	start pool "$SPAWN_FCGI" -n --supervise -a 127.0.0.1 -p "$port" -- "$T/who-may"
	mkdir -p "$T/www/members"
	echo welcome >"$T/www/members/index.html"
	EDIT="s|127.0.0.1:9001|127.0.0.1:$port|" \
		apache_with apache-authnz.conf authn_core authz_user auth_basic authnz_fcgi
	fetch -u me:secret /members/index.html
	answers 200
	[ "$output" = welcome ]
	fetch -u me:wrong /members/index.html
	answers 401
	fetch /members/index.html
	answers 401
}
