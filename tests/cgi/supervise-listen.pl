#!/usr/bin/env perl
# A service manager's end of sd_notify(3): writes each message to standard output, a line each,
# "|" between its parts. Its argument is the path of its socket.
use strict;
use warnings;
use IO::Socket::UNIX;

$| = 1;
my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die "$ARGV[0]: $!\n";
while (defined $socket->recv(my $text, 4096)) {
	print $text =~ tr/\n/|/r, "\n";
}
