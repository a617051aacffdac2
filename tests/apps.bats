#!/usr/bin/env bats
# The pages for applications: their blocks, in nginx, in front of what Debian packages. On request:
# make check-apps. Each wants its package installed, and is skipped without.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper
load clients

PAGES=$FCGI_SOURCE/examples/applications

setup() {
	test_begin
	[ "${FCGI_APPS-}" = yes ] || skip 'on request: make check-apps'
}

# block PAGE: what is beside "nginx" there.
block() {
	sed -n '/^nginx /,/^Pitfalls/{s/^nginx     //; s/^          //; /^Pitfalls/d; p}' "$PAGES/$1.txt"
}

# app PAGE PROGRAM [OPTION...]: nginx with the page's block in front of a wrapper, if the program is
# here. $EDIT is for sed.
app() {
	local page=$1

	[ -e "$2" ] || skip "no $2 here"
	shift 2
	start_wrapper "$@"
	block "$page" | sed "s|/run/fcgiwrap.socket|$T/s|; ${EDIT-}" >"$T/block"
	start_nginx <<<"include $T/block;"
}

# shows PATH TEXT...: the page that a visitor gets.
shows() {
	fetch -L "$1"
	answers 200
	shift
	has "$@"
}

# a_repository: $T/repos/site.git, with a file.
a_repository() {
	need git
	export GIT_CONFIG_GLOBAL=$T/gitconfig
	git config --file "$T/gitconfig" user.name test
	git config --file "$T/gitconfig" user.email test@localhost
	git config --file "$T/gitconfig" safe.directory '*'
	git init -q -b main "$T/work"
	echo cheese >"$T/work/shopping"
	git -C "$T/work" add shopping
	git -C "$T/work" commit -q -m 'what to buy'
	git clone -q --bare "$T/work" "$T/repos/site.git"
}

@test "cgit" {
	a_repository
	printf 'css=/cgit-css/cgit.css\nscan-path=%s\n' "$T/repos" >"$T/cgitrc"
	EDIT="s|fastcgi_pass|fastcgi_param CGIT_CONFIG $T/cgitrc; fastcgi_pass|" \
		app cgit /usr/lib/cgit/cgit.cgi
	shows /cgit/ site.git
	shows /cgit/site.git/tree/shopping cheese
	shows /cgit-css/cgit.css color
}

@test "gitweb" {
	a_repository
	echo "\$projectroot = '$T/repos';" >"$T/gitweb.conf"
	EDIT="s|/etc/gitweb.conf|$T/gitweb.conf|" app gitweb /usr/share/gitweb/gitweb.cgi
	shows /gitweb/ site.git
	shows '/gitweb/?p=site.git;a=blob_plain;f=shopping;hb=main' cheese
	shows /gitweb/static/gitweb.css color
}

@test "Nagios" {
	EDIT='s|auth_basic .*||; s|auth_basic_user_file .*||; s|\$remote_user|nagiosadmin|' \
		app nagios /usr/lib/cgi-bin/nagios4/showlog.cgi
	shows /cgi-bin/nagios4/config.cgi 'Nagios'
}

@test "MapServer" {
	mkdir "$T/maps"
	printf 'MAP\nNAME test\nSIZE 40 40\nEXTENT 0 0 10 10\nIMAGETYPE png\nWEB\nEND\nEND\n' >"$T/maps/a.map"
	printf 'CONFIG\nENV\nMS_MAP_PATTERN "^%s/maps/"\nEND\nEND\n' "$T" >"$T/mapserver.conf"
	EDIT="s|/etc/mapserver.conf|$T/mapserver.conf|" app mapserver /usr/lib/cgi-bin/mapserv
	fetch "/cgi-bin/mapserv?map=$T/maps/a.map&mode=map"
	answers 200
	[ "$(head -c 4 "$T/body" | tail -c 3)" = PNG ]
	fetch "/cgi-bin/mapserv?map=/etc/passwd&mode=map"
	[ "$(head -c 4 "$T/body" | tail -c 3)" != PNG ]
}

@test "AWStats" {
	mkdir "$T/data"
	app awstats /usr/lib/cgi-bin/awstats.pl
	fetch '/cgi-bin/awstats.pl?config=none'
	has AWStats
}

@test "SmokePing" {
	[ -d /run/smokeping ] || skip 'its service makes /run/smokeping'
	app smokeping /usr/lib/cgi-bin/smokeping.cgi
	shows /smokeping/smokeping.cgi SmokePing
}

@test "hgweb" {
	[ -e /usr/share/doc/mercurial-common/examples/hgweb.cgi ] || skip 'no hgweb.cgi here'
	need hg
	hg init "$T/repo"
	echo cheese >"$T/repo/shopping"
	hg -R "$T/repo" commit -q -A -u test -m 'what to buy'
	sed "1s|.*|#!/usr/bin/python3|; s|/path/to/repo/or/config|$T/repo|" /usr/share/doc/mercurial-common/examples/hgweb.cgi \
		>"$T/hgweb.cgi"
	chmod 755 "$T/hgweb.cgi"
	EDIT="s|/usr/lib/cgi-bin/hgweb.cgi|$T/hgweb.cgi|" app hgweb "$T/hgweb.cgi"
	shows /hg 'what to buy'
}
