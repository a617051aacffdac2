#!/usr/bin/env perl
# A service manager's end of sd_notify(3): writes each message to standard output, a line each,
# "|" between its parts. Its arguments are the path of its socket (@ at its beginning for an abstract
# name), and perhaps that of a file: until there is one it reads nothing, and has no room for another
# message.
use strict;
use warnings;
use IO::Socket::UNIX;
use Time::HiRes 'sleep';

$| = 1;
my ($path, $file) = @ARGV;
$path =~ s/^@/\0/;
my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die "$path: $!\n";
if (defined $file) {
	my @fillers;

	# What one sender may have on the way is limited, too: full is what takes nothing of another.
	do {
		my $filler = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $path) or die "$path: $!\n";
		$filler->blocking(0);
		push @fillers, defined $filler->send('FULL=1') ? $filler : undef;
		1 while $fillers[-1] && defined $filler->send('FULL=1');
	} while $fillers[-1];
	print "full\n";
	sleep 0.01 until -e $file;
}
while (defined $socket->recv(my $text, 4096)) {
	print $text =~ tr/\n/|/r, "\n" unless $text eq 'FULL=1';
}
