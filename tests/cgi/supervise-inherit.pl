#!/usr/bin/env perl
# supervise-inherit.pl PATH NAME... -- COMMAND...: becomes a command that has sockets from a
# service manager, by LISTEN_FDS and with these names: at PATH, PATH-2, and so on.
use strict;
use warnings;
use POSIX ();
use Socket;

my $path = shift;
my (@names, @sockets);
push @names, shift while $ARGV[0] ne '--';
shift;
$^F = 255;
for my $i (1 .. @names) {
	my $name = $i > 1 ? "$path-$i" : $path;

	socket(my $socket, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!\n";
	bind($socket, pack_sockaddr_un($name)) && listen($socket, 16) or die "$name: $!\n";
	push @sockets, POSIX::dup2(fileno $socket, 20 + $i);
}
POSIX::dup2($sockets[$_], 3 + $_) for 0 .. $#sockets;
@ENV{'LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES'} = (scalar @names, $$, join ':', @names);
exec @ARGV or die "$ARGV[0]: $!\n";
