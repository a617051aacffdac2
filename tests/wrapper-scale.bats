#!/usr/bin/env bats
# Many of everything: scripts, connections, requests; and what they cost.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

# Memory of the wrapper's own in KiB: what it does not share with files, and at most so far.
own_memory() {
	awk '/^(Private_Dirty|Swap):/ { sum += $2 } END { print sum }' "/proc/$(worker)/smaps_rollup"
}

peak_memory() {
	awk '/^VmHWM:/ { print $2 }' "/proc/$(worker)/status"
}

threads() {
	awk '/^Threads:/ { print $2 }' "/proc/$(worker)/status"
}

# A sanitizer needs memory of its own.
need_plain_build() {
	need_proc
	not is_sanitized || skip 'not with sanitizers'
}

# start_hoard IDLE STALLED: connections that stay, of clients that say nothing, and of clients that stop
# in their parameters or bodies. Their number is told when all are there.
start_hoard() {
	script hoard.pl <<-'END'
		#!/usr/bin/env perl
		use strict;
		use warnings;
		use IO::Socket::UNIX;
		my ($path, $script, $idle, $stalled) = @ARGV;
		my @all;
		sub connected {
			my $s;
			until ($s = IO::Socket::UNIX->new(Peer => $path)) {
				$!{EAGAIN} or die "$!\n";
				select undef, undef, undef, 0.01;
			}
			push @all, $s;
			return $s;
		}
		sub send_record { my ($s, $type, $text) = @_;
			syswrite $s, pack('CCnnCC', 1, $type, 1, length $text, 0, 0) . $text; }
		sub pair { pack 'CCa*a*', length $_[0], length $_[1], @_ }
		connected() for 1 .. $idle;
		for my $i (1 .. $stalled) {
			my $s = connected();
			send_record($s, 1, "\0\1\0\0\0\0\0\0");
			send_record($s, 4, pair('SCRIPT_FILENAME', $script));
			next if $i % 2;
			send_record($s, 4, pair('CONTENT_LENGTH', ''));
			send_record($s, 4, '');
			send_record($s, 5, 'x' x 1000);
		}
		# All that came before has been dealt with when this is answered.
		my $last = connected();
		syswrite $last, pack 'CCnnCC', 1, 9, 0, 0, 0, 0;
		sysread $last, my $answer, 8;
		print scalar @all, "\n";
		close STDOUT;
		sleep 300;
	END
	start hoard prlimit --nofile=4000 perl "$T/hoard.pl" "${SOCKET#unix:}" "$CGI/echo" "$1" "$2"
	in_file "^$(($1 + $2 + 1))$" "$T/hoard.out"
}

# has_descriptors NUMBER: so many are open, or will be soon.
has_descriptors() {
	[ "$(descriptors "$(worker)")" = "$1" ]
}

need_descriptors() {
	need prlimit
	[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge "$1" ] ||
		skip "needs $1 descriptors"
}

# sleepers SECONDS: a thousand at once; it took $MS milliseconds.
sleepers() {
	local before=$EPOCHREALTIME

	run prlimit --nofile=4000 "$FCGI_TALK" -n 1000 -j 1000 "$SOCKET" timeout 120 \
		get "$CGI/sleep.sh" QUERY_STRING="$1" expect-text slept expect-end app=0
	MS=$(((${EPOCHREALTIME/./} - ${before/./}) / 1000))
	[ "$output" = 'ok=1000 failed=0' ]
}

@test "1000 scripts that sleep for a second are all answered in little more" {
	local awake asleep

	need_descriptors 6000
	start_wrapper -c 1 --max-scripts 1000 --start-timeout 120
	sleepers 0
	awake=$MS
	sleepers 1
	asleep=$MS
	echo "took $awake ms without sleep, $asleep ms with it"
	# How long a thousand starts take, and how evenly, is the machine's affair.
	[ "$asleep" -lt "$((2 * awake + 5000))" ]
	eventually has_children "$(worker)" 0
}

@test "1000 scripts at once cost the wrapper less than 16 MiB" {
	need_plain_build
	need_descriptors 6000
	script hold.sh <<<$'#!/bin/sh\nexec sleep 120'
	start_wrapper -c 1 --max-scripts 1000 --start-timeout 120
	start crowd prlimit --nofile=4000 "$FCGI_TALK" -n 1000 -j 1000 "$SOCKET" timeout 120 \
		get "$T/hold.sh"
	eventually -t 110 has_children "$(worker)" 1000
	echo "own memory: $(own_memory) KiB, peak: $(peak_memory) KiB"
	[ "$(own_memory)" -lt 16384 ]
	stop crowd
	eventually -t 20 has_children "$(worker)" 0
	[ "$(peak_memory)" -lt 24576 ]
}

# They took $MS milliseconds.
normal_requests() {
	local before=$EPOCHREALTIME

	ask get "$CGI/hello.sh"
	has_line hello
	crowd 50 10 post "$CGI/sum.sh" 'a body' expect-text bytes=6
	MS=$(((${EPOCHREALTIME/./} - ${before/./}) / 1000))
}

@test "2000 idle connections and 100 stalled clients leave a normal request unharmed" {
	local alone

	need_descriptors 6000
	start_wrapper -c 1
	normal_requests
	alone=$MS
	start_hoard 2000 100
	normal_requests
	echo "took $MS ms beside the others, $alone ms alone"
	[ "$MS" -lt "$((2 * alone + 3000))" ]
	alive "$(pid_of hoard)"
}

@test "2000 idle connections cost less than 1 KiB each" {
	local before

	need_plain_build
	need_descriptors 6000
	start_wrapper -c 1
	crowd 20 10 get "$CGI/hello.sh"
	before=$(own_memory)
	start_hoard 2000 0
	echo "2000 idle connections: $(($(own_memory) - before)) KiB"
	[ "$(($(own_memory) - before))" -lt 2000 ]
}

@test "connections that have gone leave nothing behind" {
	local before

	need_descriptors 6000
	need_proc
	start_wrapper -c 1
	before=$(descriptors "$(worker)")
	start_hoard 500 100
	stop hoard
	eventually has_descriptors "$before"
	ask get "$CGI/hello.sh"
	has_line hello
}

@test "memory and descriptors stay as they are over 3000 requests" {
	local before fds starters grown round

	need_plain_build
	start_wrapper -c 1
	# What one crowd needs, all need.
	crowd 300 10 get /nonexistent/script
	crowd 100 10 get "$CGI/hello.sh"
	crowd 100 10 post "$CGI/echo" "$(printf '%05000d' 1)"
	fds=$(descriptors "$(worker)")
	# A leak is there each time; memory that a busy machine needed once is kept.
	for round in 1 2 3; do
		before=$(own_memory)
		starters=$(threads)
		crowd 1500 10 get /nonexistent/script
		crowd 750 10 get "$CGI/hello.sh"
		crowd 750 10 post "$CGI/echo" "$(printf '%05000d' 1)"
		# Starts that take long bring more starters.
		grown=$(($(own_memory) - before - 100 * ($(threads) - starters)))
		echo "round $round: grown by $grown KiB"
		[ "$grown" -ge 400 ] || break
	done
	[ "$grown" -lt 400 ]
	eventually has_descriptors "$fds"
	eventually has_children "$(worker)" 0
}

@test "10000 requests over one kept connection are all answered" {
	local steps=(hold) id

	start_wrapper -c 1
	for id in {1..200}; do
		steps+=(id "$id" get /nonexistent/script keep)
	done
	crowd 50 2 "${steps[@]}" release read-all
	ask get "$CGI/hello.sh"
	has_line hello
}
