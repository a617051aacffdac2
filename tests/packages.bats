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

# Process 1 of a namespace heeds TERM in its own way.
teardown() {
	[ -z "${MANAGER-}" ] || kill -KILL "$MANAGER" 2>/dev/null || :
	test_end
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

@test "OpenRC itself starts, reloads and stops both" {
	cp "$FCGI_SOURCE"/examples/init/openrc/*.initd "$ROOT/root"
	cp "$FCGI_SOURCE/tests/cgi/hello.sh" "$ROOT/srv"
	run in_root bash -ec "$in_apt"'
		apt update
		apt install openrc /fcgi-bridge.deb procps
		mkdir -p /etc/conf.d
		for folder in exclusive started starting inactive wasinactive failed hotplugged daemons \
			options scheduled stopping tmp; do
			mkdir -p "/run/openrc/$folder"
		done
		touch /run/openrc/softlevel
		id fcgiwrap >/dev/null 2>&1 || useradd -r -g www-data fcgiwrap
		install -m 755 /root/fcgiwrap.initd /etc/init.d/fcgiwrap
		install -m 755 /root/spawn-fcgi.initd /etc/init.d/spawn-fcgi
		ln -sf spawn-fcgi /etc/init.d/spawn-fcgi.app
		# Nothing mounts file systems in this root.
		echo "rc_need=\"!localmount\"" | tee /etc/conf.d/fcgiwrap >/etc/conf.d/spawn-fcgi.app
		printf "FCGI_PROGRAM=\"/usr/sbin/fcgiwrap -c 1\"\nFCGI_SOCKET=/run/app.sock\nFCGI_USER=nobody\nFCGI_EXTRA_OPTIONS=\"--log /tmp/app.log\"\n" \
			>>/etc/conf.d/spawn-fcgi.app
		answers() {
			for try in 1 2 3 4 5 6 7 8 9 10; do
				spawn-fcgi --request "$1" /srv/hello.sh | grep -q hello && return
				sleep 0.5
			done
			return 1
		}
		for service in fcgiwrap:/run/fcgiwrap/fcgiwrap.sock spawn-fcgi.app:/run/app.sock-1; do
			rc-service "${service%:*}" start
			answers "${service#*:}"
			rc-service "${service%:*}" status
			rc-service "${service%:*}" reload
			answers "${service#*:}"
			rc-service "${service%:*}" stop
			! rc-service "${service%:*}" status
			echo "did ${service%:*}"
		done
	'
	echo "$output" | tail -n 30
	[ "$status" = 0 ]
	[[ $output == *'did fcgiwrap'*'did spawn-fcgi.app'* ]]
}

# systemd itself, booted in that root, with namespaces of its own. Its /dev is no file system of
# devices, so PrivateDevices= of the units is left out there.

boot() {
	in_root bash -ec "$in_apt"'
		apt update
		apt install systemd systemd-sysv dbus procps /fcgi-bridge.deb
		echo "DAEMON_OPTS=\"-c 2\"" >/etc/default/fcgiwrap
		for unit in fcgiwrap spawn-fcgi@ fcgiwrap@; do
			mkdir -p "/etc/systemd/system/$unit.service.d"
			printf "[Service]\nPrivateDevices=no\n" >"/etc/systemd/system/$unit.service.d/test.conf"
		done' >"$T/apt.log" 2>&1 || { tail -n 20 "$T/apt.log"; return 1; }
	cp "$FCGI_SOURCE/tests/cgi/hello.sh" "$FCGI_SOURCE/tests/cgi/wait.sh" "$ROOT/srv"
	start machine unshare -m -p -f -C -n -u -i --kill-child sh -ec '
		mount --make-rprivate /
		mount --bind "$1" "$1"
		cd "$1"
		mount -t proc proc proc
		mount -t sysfs sysfs sys
		mount -t cgroup2 cgroup2 sys/fs/cgroup
		mount -t tmpfs tmpfs run
		mount -t tmpfs tmpfs tmp
		mount -t tmpfs -o mode=755 tmpfs dev
		for node in null zero full random urandom tty; do
			: >"dev/$node"
			mount --bind "/dev/$node" "dev/$node"
		done
		mkdir dev/pts dev/shm
		pivot_root . .
		umount -l .
		exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system \
			--show-status=no --log-target=journal' - "$ROOT"
	eventually find_manager || { cat "$T/machine.log"; return 1; }
	is_up() { [[ $(inside systemctl is-system-running) == @(running|degraded) ]]; }
	eventually -t 60 is_up
}

find_manager() {
	MANAGER=$(pgrep -P "$(pid_of machine)" | head -n 1) && [ -n "$MANAGER" ]
}

inside() {
	timeout 60 nsenter -t "$MANAGER" -m -p -C -n -u -i -r -w \
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@" </dev/null
}

asks() {
	inside spawn-fcgi --request /run/fcgiwrap.socket "$@"
}

is_active() {
	[ "$(inside systemctl is-active "$1")" = active ]
}

main_pid() {
	inside systemctl show -p MainPID --value "$1"
}

@test "systemd starts fcgiwrap for the first request, reloads it, and starts it again" {
	local first

	need nsenter
	boot
	[ "$(inside systemctl is-active fcgiwrap.service)" = inactive ]
	[[ $(asks /srv/hello.sh) == *hello* ]]
	eventually is_active fcgiwrap.service
	rests() { [ "$(inside systemctl show -p StatusText --value fcgiwrap.service)" = '0 running, 0 waiting' ]; }
	eventually rests
	# A request that runs over a reload is answered.
	start long nsenter -t "$MANAGER" -m -p -C -n -u -i -r -w env -i PATH=/usr/bin:/bin \
		spawn-fcgi --request /run/fcgiwrap.socket --timeout 60 /srv/wait.sh QUERY_STRING=/run/go
	runs() { [[ $(inside systemctl show -p StatusText --value fcgiwrap.service) == '1 running'* ]]; }
	eventually runs
	inside systemctl reload fcgiwrap.service
	[[ $(asks /srv/hello.sh) == *hello* ]]
	inside touch /run/go
	await long
	grep -q 'done' "$T/long.out"
	# The main process is killed: another one comes, and the socket never goes.
	first=$(main_pid fcgiwrap.service)
	inside kill -KILL "$first"
	[[ $(asks /srv/hello.sh) == *hello* ]]
	another() { [[ $(main_pid fcgiwrap.service) != @(0|"$first") ]]; }
	eventually another
	# The journal has fields.
	asks /srv/none >/dev/null || :
	noted() { inside journalctl -q -o cat --no-pager FCGI_STATUS=404 | grep -q 'no such script: /srv/none'; }
	eventually noted
	# A stop under load serves what it has begun; the socket starts it anew.
	inside rm -f /run/go
	start long nsenter -t "$MANAGER" -m -p -C -n -u -i -r -w env -i PATH=/usr/bin:/bin \
		spawn-fcgi --request /run/fcgiwrap.socket --timeout 60 /srv/wait.sh QUERY_STRING=/run/go
	eventually runs
	inside systemctl stop --no-block fcgiwrap.service
	stops() { [ "$(inside systemctl is-active fcgiwrap.service)" = deactivating ]; }
	eventually stops
	inside touch /run/go
	await long
	grep -q 'done' "$T/long.out"
	[[ $(asks /srv/hello.sh) == *hello* ]]
}

@test "systemd starts scripts of a user, and a pool that a file describes" {
	need nsenter
	boot
	inside systemctl start fcgiwrap@nobody.socket
	[[ $(inside spawn-fcgi --request /run/fcgiwrap/fcgiwrap-nobody.sock /srv/hello.sh) == *hello* ]]
	[ "$(inside ps -C fcgiwrap -o user= | sort -u)" = nobody ]
	inside sh -c 'mkdir -p /etc/spawn-fcgi
		printf "PROGRAM=/usr/sbin/fcgiwrap -c 1\nOPTIONS=-F 2 --max-lifetime 1h\n" >/etc/spawn-fcgi/app
		systemctl start spawn-fcgi@app.socket'
	[[ $(inside spawn-fcgi --request /run/spawn-fcgi/app.socket /srv/hello.sh) == *hello* ]]
	eventually is_active spawn-fcgi@app.service
	inside systemctl reload spawn-fcgi@app.service
	[[ $(inside spawn-fcgi --request /run/spawn-fcgi/app.socket /srv/hello.sh) == *hello* ]]
}
