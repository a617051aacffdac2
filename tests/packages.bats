#!/usr/bin/env bats
# The packages for Debian, made, installed in the place of Debian's own, and removed again, in a root
# of their own. On request, since that takes minutes and fetches packages: make check-packages.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

setup_file() {
	[ "${FCGI_PACKAGES-}" = yes ] || return 0
	[ "$EUID" = 0 ] && command -v debootstrap dpkg-buildpackage dh >/dev/null || return 0
	export DEB_BUILD_OPTIONS=nocheck ROOT=$BATS_FILE_TMPDIR/root DEBEMAIL=packager@debian.org
	export MIRROR CODENAME
	MIRROR=$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | head -n 1)
	CODENAME=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	"$FCGI_SOURCE/examples/packages/build-debian" "$BATS_FILE_TMPDIR" >"$BATS_FILE_TMPDIR/build.log" 2>&1 ||
		{ tail -n 30 "$BATS_FILE_TMPDIR/build.log" >&3; return 1; }
	debootstrap --variant=minbase "$CODENAME" "$ROOT" "$MIRROR" >"$BATS_FILE_TMPDIR/root.log" 2>&1 ||
		{ tail -n 30 "$BATS_FILE_TMPDIR/root.log" >&3; return 1; }
	cp "$BATS_FILE_TMPDIR"/fcgi-bridge_*.deb "$ROOT/fcgi-bridge.deb"
	cp "$FCGI_SOURCE/tests/cgi/hello.sh" "$ROOT/srv/hello.sh"
}

setup() {
	test_begin
	[ "${FCGI_PACKAGES-}" = yes ] || skip 'on request: make check-packages'
	[ -n "${ROOT-}" ] || skip 'as root, with debootstrap and debhelper'
}

# in_root COMMAND...: there, with a /proc; what it starts ends with it.
in_root() {
	unshare -m -p -f sh -c 'mount --make-rprivate / && mount -t proc proc "$0/proc" &&
		exec chroot "$0" "$@"' "$ROOT" "$@" </dev/null
}

# apt COMMAND...: no more questions, and no services but those we start.
in_apt='export DEBIAN_FRONTEND=noninteractive
	apt() { apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold "$@"; }'

# What asks a script at the socket that Debian's package has.
ask='ask() {
	for try in 1 2 3 4 5 6 7 8 9 10; do
		perl -MIO::Socket::UNIX -e '"'"'
			sub pair { pack("CC", length $_[0], length $_[1]) . "$_[0]$_[1]" }
			sub record { pack("CCnnCC", 1, $_[0], 1, length $_[1], 0, 0) . $_[1] }
			alarm 20;
			my $s = IO::Socket::UNIX->new("/run/fcgiwrap.socket") or exit 1;
			print $s record(1, "\0\1\0\0\0\0\0\0"), record(4, pair("SCRIPT_FILENAME", "/srv/hello.sh") .
				pair("REQUEST_METHOD", "GET")), record(4, ""), record(5, "");
			shutdown $s, 1;
			local $/;
			exit(<$s> !~ /hello/)'"'"' && return
		sleep 0.5
	done
	return 1
}'

@test "lintian has nothing to say" {
	need lintian
	run lintian --display-info "$BATS_FILE_TMPDIR"/*.changes
	run ! grep "^[EW]:" <<<"$output"
}

@test "the packages of this release go away, their settings stay, and a script is answered, there and back" {
	run in_root bash -ec "$in_apt; $ask"'
		apt update
		apt install fcgiwrap spawn-fcgi procps
		printf "DAEMON_OPTS=\"-f -c 2\"\nFCGI_USER=nobody\n" >/etc/default/fcgiwrap
		/etc/init.d/fcgiwrap restart
		ask
		echo "THEIRS ANSWERED"
		apt install /fcgi-bridge.deb
		[ "$(dpkg-query -W -f "\${db:Status-Status}" fcgiwrap)" != installed ]
		grep -q nobody /etc/default/fcgiwrap
		fcgiwrap -v | grep -q fcgi-bridge
		/etc/init.d/fcgiwrap restart
		ask
		[ "$(ps -C fcgiwrap -o user= | sort -u)" = nobody ]
		echo "OURS ANSWERED"
		/etc/init.d/fcgiwrap stop
		apt install fcgiwrap spawn-fcgi
		grep -q nobody /etc/default/fcgiwrap
		[ "$(dpkg-query -W -f "\${db:Status-Status}" fcgi-bridge)" != installed ]
		/etc/init.d/fcgiwrap start
		ask
		echo "THEIRS ANSWERED AGAIN"
	'
	echo "$output" | tail -n 40
	[ "$status" = 0 ]
	[[ $output == *'THEIRS ANSWERED'*'OURS ANSWERED'*'THEIRS ANSWERED AGAIN'* ]]
}

@test "who depends on either package can be installed with ours" {
	run in_root bash -ec "$in_apt"'
		apt update
		apt purge fcgiwrap spawn-fcgi || :
		apt install /fcgi-bridge.deb
		for package in $(apt-cache rdepends --no-recommends --no-suggests --no-enhances \
			--no-conflicts --no-breaks --no-replaces fcgiwrap spawn-fcgi |
			sed -n "s/^[ |]\+//p" | sort -u); do
			[ "$package" != fcgiwrap ] && [ "$package" != fcgi-bridge ] || continue
			apt install --simulate "$package" >/tmp/said ||
				{ cat /tmp/said; exit 1; }
			! grep -E "^(Remv fcgi-bridge|Inst (fcgiwrap|spawn-fcgi) )" /tmp/said
			echo "with $package"
		done
	'
	echo "$output" | grep '^with\|^Inst\|^Remv\|E:'
	[ "$status" = 0 ]
	[[ $output == *'with '* ]]
}

@test "git clones and pushes 64 MB, as autopkgtest asks" {
	cp "$FCGI_SOURCE/examples/packages/debian/tests/git" "$ROOT/git-test"
	run in_root bash -ec "$in_apt"'
		apt update
		apt install /fcgi-bridge.deb nginx-light git curl procps
		rm -f /etc/default/fcgiwrap
	'
	run in_root sh /git-test
	echo "$output" | tail -n 20
	[ "$status" = 0 ]
	[[ $output == *'cloned, pushed and cloned again: 67108864 bytes'* ]]
}

@test "the package is removed and purged without a trace" {
	run in_root bash -ec "$in_apt"'
		apt install /fcgi-bridge.deb
		apt purge fcgi-bridge
		[ ! -e /etc/init.d/fcgiwrap ]
		[ ! -e /usr/sbin/fcgiwrap ]
	'
	echo "$output" | tail -n 20
	[ "$status" = 0 ]
}

# Without an engine: a root of its own, read-only, with the recipe's programs built statically.

@test "the container's recipe: nobody without rights serves as process 1, says so, and stops in time" {
	local words=() health=()

	need musl-gcc ip nsenter
	# As the recipe has it; Debian's musl has none of the kernel's headers, which are optional.
	mkdir "$T/build" "$T/root"
	(cd "$T/build" && "$FCGI_SOURCE/configure" -q CC=musl-gcc LDFLAGS=-static --prefix=/usr &&
		make -s -j2 && make -s install-strip DESTDIR="$T/root") >"$T/build.log" 2>&1 ||
		{ tail -n 20 "$T/build.log"; return 1; }
	mkdir -p "$T/root/srv/cgi-bin" "$T/root/tmp" "$T/root/proc" "$T/root/dev"
	mknod -m 666 "$T/root/dev/null" c 1 3
	musl-gcc -static -o "$T/root/srv/cgi-bin/hello" "$FCGI_SOURCE/examples/cgi/hello.c"
	chmod 755 "$T" "$T/root"
	in_words() { perl -MJSON::PP -ne 'print "$_\n" for @{JSON::PP->new->decode(s/^\S+ (.* CMD )?//r)}'; }
	mapfile -t words < <(grep ^ENTRYPOINT "$FCGI_SOURCE/examples/container/Dockerfile" | in_words)
	mapfile -t health < <(sed -n 's/^HEALTHCHECK.* CMD/CMD/p' \
		"$FCGI_SOURCE/examples/container/Dockerfile" | in_words)
	start container unshare -m -n -p -f --kill-child sh -ec '
		root=$1; shift
		mount --make-rprivate /
		mount --bind "$root" "$root"
		mount -t tmpfs tmpfs "$root/tmp"
		mount -t proc proc "$root/proc"
		mount -o remount,ro,bind "$root"
		ip link set lo up
		exec setpriv --no-new-privs chroot --userspec=65534:65534 "$root" "$@"' - "$T/root" "${words[@]}"
	first() { FIRST=$(pgrep -f -P "$(pid_of container)" "^${words[0]}") && [ -n "$FIRST" ]; }
	eventually first || { cat "$T/container.log"; return 1; }
	inside() { nsenter -t "$FIRST" -m -n -p chroot --userspec=65534:65534 "$T/root" "$@"; }
	eventually inside "${health[@]}" || { cat "$T/container.log"; return 1; }
	[ "$(awk '/^NSpid/ { print $3 }' "/proc/$FIRST/status")" = 1 ]
	[ "$(awk '/^Uid/ { print $2 }' "/proc/$FIRST/status")" = 65534 ]
	[ "$(awk '/^CapEff/ { print $2 }' "/proc/$FIRST/status")" = 0000000000000000 ]
	inside "${words[0]}" --request 127.0.0.1:9000 /srv/cgi-bin/hello >"$T/answer"
	grep -qi hello "$T/answer"
	# A body that does not fit into memory has only /tmp to wait in.
	head -c 3000000 /dev/zero >"$T/body"
	inside "${words[0]}" --request 127.0.0.1:9000 /srv/cgi-bin/hello REQUEST_METHOD=POST <"$T/body" \
		>"$T/answer"
	grep -qi hello "$T/answer"
	kill -TERM "$FIRST"
	await container 20
	run ! inside "${health[@]}"
}
