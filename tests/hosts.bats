#!/usr/bin/env bats
# Several hosts with fcgiwrap behind one web server: one is killed, another is taken out of service, a
# third is upgraded. The hosts are network namespaces.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper
load clients

HOSTS=$FCGI_SOURCE/examples/hosts

# Namespaces front, 1, 2 and 3 on one network, 192.0.2.0/24; in each of the numbered ones fcgiwrap.
setup() {
	test_begin
	need ip curl
	need_root
	need_no_valgrind
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	NET=fb$$
	ip netns add "$NET-front" 2>/dev/null || skip 'no network namespaces here'
	in_front ip link add name bridge type bridge 2>/dev/null || skip 'no bridges here'
	in_front ip link set bridge up
	in_front ip addr add 192.0.2.254/24 dev bridge
	mkdir -p "$T/lib"
	cp -R "$CGI" "$T/lib/cgi-bin"
	for host in 1 2 3; do
		add_host "$host"
		start_host "$host"
	done
}

teardown() {
	test_end
	local result=$?

	for name in front 1 2 3; do
		ip netns del "$NET-$name" 2>/dev/null || :
	done
	return "$result"
}

in_front() {
	ip netns exec "$NET-front" "$@"
}

add_host() {
	ip netns add "$NET-$1"
	in_front ip link add "port$1" type veth peer name eth0 netns "$NET-$1"
	in_front ip link set "port$1" master bridge up
	ip netns exec "$NET-$1" ip addr add "192.0.2.$1/24" dev eth0
	ip netns exec "$NET-$1" ip link set eth0 up
}

start_host() {
	start "host$1" ip netns exec "$NET-$1" "$FCGIWRAP" -c 2 -s "tcp:192.0.2.$1:9000" \
		--allow 192.0.2.0/24 --ping /ping --env "HOST=$1"
	eventually in_front "$SPAWN_FCGI" --ping "192.0.2.$1:9000" /ping
}

# A script that says where it ran, after a moment.
where() {
	printf '#!/bin/sh\nsleep 0.02\nprintf "Content-Type: text/plain\\n\\nhost $HOST\\n"\n' \
		>"$T/lib/cgi-bin/where"
	chmod 755 "$T/lib/cgi-bin/where"
}

start_front_nginx() {
	need nginx
	where
	NGINX_SOCKET=$T/nginx.sock
	URL=http://localhost
	sed "s|listen 80;|listen unix:$NGINX_SOCKET;|; s|/usr/lib;|$T/lib;|" "$HOSTS/nginx.conf" >"$T/block"
	nginx_params >"$T/fastcgi_params"
	NGINX_HTTP="include $T/block;" nginx_config "unix:$T/other" '' >"$T/nginx.conf"
	sed -i 's/master_process off;//; s/daemon off;/daemon off; user root;/' "$T/nginx.conf"
	start nginx ip netns exec "$NET-front" nginx -p "$T" -c "$T/nginx.conf" -e "$T/nginx-error.log"
	eventually curl_ -f "$URL/cgi-bin/where" || { logs_show; return 1; }
}

start_front_haproxy() {
	need haproxy
	where
	NGINX_SOCKET=$T/haproxy.sock
	URL=http://localhost
	{
		printf 'global\n\tstats socket %s level admin\n' "$T/admin"
		sed "s|bind :80|bind unix@$NGINX_SOCKET|; s|docroot /usr/lib|docroot $T/lib|" "$HOSTS/haproxy.cfg"
	} >"$T/haproxy.cfg"
	start haproxy ip netns exec "$NET-front" haproxy -db -f "$T/haproxy.cfg"
	eventually curl_ -f "$URL/cgi-bin/where" || { logs_show; return 1; }
}

# visit NAME [CURL-OPTION...]: requests one after the other, until there is a file $T/enough; a line for
# each, with its status and host.
visit() {
	local name=$1

	shift
	start "$name" bash -c 'socket=$1 url=$2 enough=$3; shift 3
		while [ ! -e "$enough" ]; do
			curl -sS --max-time 30 --unix-socket "$socket" -w " %{http_code}\n" "$@" "$url" | tr -d "\n"
			echo
		done' - "$NGINX_SOCKET" "$URL/cgi-bin/where" "$T/enough" "$@"
}

visitors() {
	local i

	rm -f "$T/enough"
	for i in 1 2 3 4; do
		visit "get$i"
	done
	visit post1 -d x=1
	visit post2 -d x=1
}

# answers_of HOST: how many requests it has answered.
answers_of() {
	cat "$T"/get?.out "$T"/post?.out | grep -c "^host $1 200$" || :
}

# more_from HOST: it answers more and more.
more_from() {
	local before

	before=$(answers_of "$1")
	grown() { [ "$(answers_of "$1")" -gt "$((before + 5))" ]; }
	eventually grown "$1"
}

# visited MOST: all visitors are told to stop; no GET has failed, and of POST so many at most.
visited() {
	touch "$T/enough"
	for i in get1 get2 get3 get4 post1 post2; do
		await "$i" 40
	done
	cat "$T"/get?.out | grep -vE '^(host [123] 200)?$' >"$T/failed" || :
	[ ! -s "$T/failed" ] || { echo "GET: $(sort "$T/failed" | uniq -c)"; return 1; }
	cat "$T"/post?.out | grep -cvE '^(host [123] 200)?$' >"$T/failed-posts" || :
	echo "$(cat "$T"/get?.out "$T"/post?.out | wc -l) requests, $(cat "$T/failed-posts") POSTs failed"
	[ "$(cat "$T/failed-posts")" -le "$1" ]
}

kill_host() {
	pkill -KILL -g "$(ps -o pgid= -p "$(pid_of "host$1")" | tr -d ' ')" || :
	ip netns pids "$NET-$1" | xargs -r kill -KILL
}

@test "nginx: a host is killed; no GET fails, and of POST only those that it served" {
	start_front_nginx
	visitors
	for host in 1 2 3; do more_from "$host"; done
	kill_host 2
	more_from 1
	more_from 3
	start_host 2
	more_from 2
	# Two visitors post; each may have come twice while the host went.
	visited 4
}

@test "nginx: a host is taken out of service and stopped, and nothing fails" {
	start_front_nginx
	visitors
	more_from 2
	sed -i 's/\(192.0.2.2:9000\)[^;]*;/\1 down;/' "$T/block"
	kill -HUP "$(pid_of nginx)"
	more_from 1
	# The processes of nginx with the old configuration go when their requests are answered.
	eventually -t 30 [ "$(pgrep -c -f 'nginx: worker process is shutting down')" = 0 ]
	stop host2
	more_from 3
	visited 0
}

@test "nginx: a host is upgraded by HUP, and nothing fails" {
	heeds_hup
	stop host3
	TEST_WRAPPER=
	start host3 env --default-signal=HUP ip netns exec "$NET-3" "$FCGIWRAP" -c 2 \
		-s tcp:192.0.2.3:9000 --allow 192.0.2.0/24 --ping /ping --env HOST=3
	start_front_nginx
	visitors
	more_from 3
	kill -HUP "$(pid_of host3)"
	eventually grep -q reloaded "$T/host3.log"
	more_from 3
	visited 0
}

@test "HAProxy: a host is killed; no GET fails, and of POST only those that it served" {
	start_front_haproxy
	visitors
	for host in 1 2 3; do more_from "$host"; done
	kill_host 2
	more_from 1
	more_from 3
	start_host 2
	more_from 2
	# Two visitors post; each may have come twice while the host went.
	visited 4
}

@test "HAProxy: a host is taken out of service and stopped, and nothing fails" {
	start_front_haproxy
	visitors
	more_from 2
	perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new($ARGV[0]) or die;
		print $s "set server bridges/two state drain\n"; print <$s>' "$T/admin"
	more_from 1
	more_from 3
	served() { perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new($ARGV[0]) or die;
		print $s "show stat\n"; while (<$s>) { @f = split /,/; exit($f[4] != 0) if $f[1] eq "two" }' \
		"$T/admin"; }
	eventually served
	stop host2
	more_from 3
	visited 0
}
