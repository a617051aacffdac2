# Processes that the benchmark starts: each is ended by its pid, and what it costs is read from
# /proc (where there is none, there are no figures of CPU and memory).
package Processes;

use strict;
use warnings;
use Exporter 'import';
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX qw(WNOHANG _exit);
use Time::HiRes qw(sleep time);

our @EXPORT = qw(
	launch end_all end_process await_listener free_port tool family cpu_seconds memory switches
);

my %running;		# pid => 1

END {
	my $status = $?;
	end_all();
	$? = $status;
}

# Starts a program as leader of a process group of its own; errors go to the log.
sub launch {
	my ($log, @command) = @_;
	my $pid = fork // die "cannot fork: $!\n";

	if ($pid == 0) {
		setpgrp;
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $log;
		open STDERR, '>&', \*STDOUT;
		{ no warnings; exec { $command[0] } @command }
		print STDERR "cannot execute $command[0]: $!\n";
		_exit(127);
	}
	$running{$pid} = 1;
	return $pid;
}

sub end_process {
	my ($pid, $patience) = (@_, 5);
	my $end = time + $patience;

	return unless delete $running{$pid};
	kill TERM => $pid;
	while (waitpid($pid, WNOHANG) == 0) {
		if (time > $end) {
			kill KILL => $pid;
			waitpid $pid, 0;
			last;
		}
		sleep 0.005;
	}
	kill KILL => -$pid;	# what it left of its group: scripts, workers
}

sub end_all {
	end_process($_, 1) for keys %running;
}

sub connects {
	my ($address) = @_;

	return IO::Socket::UNIX->new(Peer => $1) if $address =~ /^unix:(.*)/;
	return IO::Socket::INET->new(PeerAddr => $address =~ s/^tcp://r);
}

# Whether it accepts connections before the time is up or the process ends.
sub await_listener {
	my ($pid, $address) = @_;

	for (my $end = time + 10; time < $end; sleep 0.01) {
		return 1 if connects($address);
		if (waitpid($pid, WNOHANG) != 0) {
			delete $running{$pid};
			return 0;
		}
	}
	return 0;
}

sub free_port {
	my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die "$@\n";

	return $socket->sockport;
}

# Runs a program to its end and returns its output; calls back now and then meanwhile.
sub tool {
	my ($meanwhile, @command) = @_;
	my $output = '';
	my $pid = open(my $from, '-|') // die "cannot fork: $!\n";

	if ($pid == 0) {
		{ no warnings; exec { $command[0] } @command }
		_exit(127);
	}
	$running{$pid} = 1;
	while (1) {
		my $ready = '';

		vec($ready, fileno $from, 1) = 1;
		if (select $ready, undef, undef, 0.05) {
			last unless sysread $from, $output, 65536, length $output;
		} else {
			$meanwhile->();
		}
	}
	delete $running{$pid};
	close $from;
	return $output;
}

# What a process costs ==========================================================================

sub slurp {
	my ($path) = @_;
	local $/;

	open my $file, '<', $path or return '';
	return scalar(<$file>) // '';
}

sub children_of {
	my ($pid) = @_;

	return map { split ' ', slurp($_) } glob "/proc/$pid/task/*/children";
}

# A process and those below it that run the same program (workers, but not scripts), or one of
# these.
sub family {
	my ($pid, @programs) = @_;
	my $exe = readlink("/proc/$pid/exe") // return ();
	my %is_one = map { $_ => 1 } $exe, @programs;

	return ($pid, map { family($_, @programs) }
		grep { $is_one{readlink("/proc/$_/exe") // ''} } children_of($pid));
}

# User and system time of these processes, their children excluded. Where the scheduler's own
# count (ns) cannot be read, that in ticks will have to do.
sub cpu_seconds {
	my $sum = 0;

	for my $pid (@_) {
		my @threads = map { slurp($_) =~ /^(\d+)/ ? $1 : () }
			glob "/proc/$pid/task/*/schedstat";

		if (@threads) {
			$sum += $_ / 1e9 for @threads;
		} elsif (slurp("/proc/$pid/stat") =~ /.*\) (.*)/) {
			my @fields = split ' ', $1;
			$sum += ($fields[11] + $fields[12]) / POSIX::sysconf(&POSIX::_SC_CLK_TCK);
		}
	}
	return $sum;
}

# Kilobytes: their share of memory, what is theirs alone, and the sum of their peaks.
sub memory {
	my %sum = (pss => 0, private => 0, hwm => 0);

	for my $pid (@_) {
		my $rollup = slurp("/proc/$pid/smaps_rollup");

		$sum{pss} += $1 if $rollup =~ /^Pss:\s+(\d+)/m;
		$sum{private} += $1 while $rollup =~ /^Private_(?:Clean|Dirty):\s+(\d+)/mg;
		$sum{hwm} += $1 if slurp("/proc/$pid/status") =~ /^VmHWM:\s+(\d+)/m;
	}
	return %sum;
}

# How often they have been scheduled.
sub switches {
	my $sum = 0;

	for my $pid (@_) {
		my $status = slurp("/proc/$pid/status");
		$sum += $1 while $status =~ /^\w*voluntary_ctxt_switches:\s+(\d+)/mg;
	}
	return $sum;
}

1;
