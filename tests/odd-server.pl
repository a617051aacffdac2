#!/usr/bin/env perl
# odd-server.pl PATH|PORT STEP... [next STEP...]...: a FastCGI server that does what a program should,
# or should not. It listens, prints a line when it does, and takes the steps with the first
# connection, those behind "next" with the second, and so on; the last ones with all others, too:
#
#   full         before anything else: its queue is full, until it gets USR1
#   read         reads all of the request; at the end of the connection, the next step comes
#   wait         reads until the connection ends
#   raw=TEXT     sends the text; in all texts \n, \r and \xHH stand for bytes
#   out=TEXT, err=TEXT, end[=STATUS]  a record: FCGI_STDOUT, FCGI_STDERR, FCGI_END_REQUEST
#   record=TYPE,ID,TEXT  any other
#   big=BYTES    FCGI_STDOUT of so many bytes, sent without a look at what comes
#   pad=N        from now on records have so much padding
#   bytes        from now on each byte is sent on its own
#   count        FCGI_STDOUT with the number of bytes of the body, which "read" has counted
#   hold         the connection is left open, and never looked at again
#
# Behind the last step it closes the connection.
use strict;
use warnings;

use Fcntl;
use Socket;

my ($address, @words) = @ARGV;
my ($pad, $slow, $body, $drains, $client, @held) = (0, 0, 0, 0);
my $is_port = $address =~ /^\d+$/;
my $is_full = $words[0] eq 'full' && shift @words;
my @turns = ([]);
for (@words) {
	if ($_ eq 'next') { push @turns, [] }
	else { push @{ $turns[-1] }, $_ }
}
socket my $listener, $is_port ? AF_INET : AF_UNIX, SOCK_STREAM, 0 or die;
setsockopt $listener, SOL_SOCKET, SO_REUSEADDR, 1 if $is_port;
bind $listener, $is_port ? pack_sockaddr_in($address, INADDR_LOOPBACK) : pack_sockaddr_un($address)
	or die "cannot bind: $!\n";
listen $listener, $is_full ? 0 : 100 or die;

$SIG{PIPE} = 'IGNORE';
$SIG{USR1} = sub { $drains = 1 };

# Connections that nobody accepts: more of them than can wait.
sub fill {
	for (1 .. 3) {
		socket my $s, $is_port ? AF_INET : AF_UNIX, SOCK_STREAM, 0 or die;
		fcntl $s, F_SETFL, O_NONBLOCK;
		connect $s, getsockname $listener;
		push @held, $s;
	}
}

sub send_bytes {
	my ($bytes) = @_;
	my $size = $slow ? 1 : 65536;

	while (length $bytes) {
		my $n = syswrite $client, substr($bytes, 0, $size);
		return unless $n;
		substr($bytes, 0, $n) = '';
	}
}

sub send_record {
	my ($type, $id, $content) = @_;

	send_bytes(pack('CCnnCx', 1, $type, $id, length $content, $pad) . $content . 'p' x $pad);
}

# Reads records up to the end of FCGI_STDIN.
sub read_request {
	my $in = '';

	$body = 0;
	while (sysread $client, $in, 65536, length $in) {
		while (length $in >= 8) {
			my (undef, $type, undef, $length, $padding) = unpack 'CCnnC', $in;

			last if length $in < 8 + $length + $padding;
			substr($in, 0, 8 + $length + $padding) = '';
			$body += $length if $type == 5;
			return if $type == 5 && $length == 0;
		}
	}
}

sub take_step {
	my ($step) = @_;
	my ($verb, $text) = split /=/, $step, 2;

	$text //= '';
	$text =~ s/\\(?:x([0-9a-f]{2})|([nr]))/$1 ? chr hex $1 : $2 eq 'n' ? "\n" : "\r"/ge;
	if ($verb eq 'read') { read_request() }
	elsif ($verb eq 'wait') { 1 while sysread $client, my $in, 65536 }
	elsif ($verb eq 'raw') { send_bytes($text) }
	elsif ($verb eq 'out') { send_record(6, 1, $text) }
	elsif ($verb eq 'err') { send_record(7, 1, $text) }
	elsif ($verb eq 'end') { send_record(3, 1, pack 'NCx3', 0, $text || 0) }
	elsif ($verb eq 'record') { send_record(split /,/, $text, 3) }
	elsif ($verb eq 'big') { for (; $text > 0; $text -= 32768) { send_record(6, 1, 'b' x ($text < 32768 ? $text : 32768)) } }
	elsif ($verb eq 'pad') { $pad = $text }
	elsif ($verb eq 'bytes') { $slow = 1 }
	elsif ($verb eq 'count') { send_record(6, 1, $body) }
	elsif ($verb eq 'hold') { push @held, $client }
	else { die "what is $step?\n" }
}

fill() if $is_full;
syswrite STDOUT, "listening\n";
if ($is_full) {
	sleep 1 until $drains;
	@held = ();
}
while (1) {
	accept $client, $listener or next;
	($pad, $slow) = (0, 0);
	take_step($_) for @{ $turns[0] };
	shift @turns if @turns > 1;
	undef $client;
}
